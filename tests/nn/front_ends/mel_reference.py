"""Log-mel frames in NumPy and float64, one frame at a time: a slow truth that shares nothing with the fast way."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from regard.nn.front_ends import LogMel


def hertz(mel: float, scale: str) -> float:
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    if mel < 15.0:
        return mel * 200.0 / 3.0
    return 1000.0 * 6.4 ** ((mel - 15.0) / 27.0)


def mel(frequency: float, scale: str) -> float:
    if scale == "htk":
        return 2595.0 * math.log10(1.0 + frequency / 700.0)
    if frequency < 1000.0:
        return frequency * 3.0 / 200.0
    return 15.0 + 27.0 * math.log(frequency / 1000.0) / math.log(6.4)


def triangles(settings: LogMel) -> NDArray[np.float64]:
    """(mels, fft // 2 + 1)."""
    low, high = mel(settings.low, settings.scale), mel(settings.top, settings.scale)
    step = (high - low) / (settings.mels + 1)
    edges = [hertz(low + step * place, settings.scale) for place in range(settings.mels + 2)]
    found = np.zeros((settings.mels, settings.size // 2 + 1))
    for band in range(settings.mels):
        left, middle, right = edges[band : band + 3]
        for bin_ in range(found.shape[1]):
            at = bin_ * settings.rate / settings.size
            if left < at <= middle:
                found[band, bin_] = (at - left) / (middle - left)
            elif middle < at < right:
                found[band, bin_] = (right - at) / (right - middle)
        if settings.area:
            found[band] *= 2.0 / (right - left)
    return found


def sample_at(sound: NDArray[np.float64], place: int) -> float:
    """The sample at any place, thrown back from both ends."""
    last = len(sound) - 1
    while last and not 0 <= place <= last:
        place = -place if place < 0 else 2 * last - place
    return float(sound[place if last else 0])


def log_mel(sound: NDArray[np.float64], settings: LogMel) -> NDArray[np.float64]:
    """sound (samples,) -> (frames, mels)."""
    size, filters = settings.size, triangles(settings)
    window = np.zeros(size)
    left = (size - settings.window) // 2
    turns = 2 * np.pi * np.arange(settings.window) / settings.window
    window[left : left + settings.window] = 0.5 - 0.5 * np.cos(turns)
    rows = []
    for centre in range(0, len(sound), settings.hop):
        around = [sample_at(sound, centre - size // 2 + place) for place in range(size)]
        power = np.abs(np.fft.rfft(np.array(around) * window)) ** 2
        rows.append(np.log10(np.maximum(filters @ power, settings.floor)))
    made = np.array(rows)
    return made if settings.span is None else np.maximum(made, made.max() - settings.span)
