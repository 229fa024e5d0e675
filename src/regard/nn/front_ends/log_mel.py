"""Sound to log-mel frames: how much power each band of pitch has, every few milliseconds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn.checks import check_sizes
from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described, is_number

_KNEE, _LINEAR = 1000.0, 200 / 3  # Slaney's scale: hertz where it bends, hertz a mel below
_LOG_STEP = math.log(6.4) / 27  # and the natural logarithm of the ratio of one mel above


@dataclass(frozen=True)
class LogMel:
    """Settings of log-mel frames. Sizes are in samples.

    rate: samples a second. window: a frame's width (Hann, periodic), hop: from one frame to the next, fft: the length
    of the transform, by default the window's; a shorter window stands in its middle. mels: triangular bands from `low`
    to `high` hertz (by default half the rate), equally wide on the scale "slaney" (linear to 1000 Hz, then logarithmic;
    Slaney 1998) or "htk" (2595 log10(1 + f / 700)); `area` gives all bands the same area rather than the same height.
    floor: the least power. span: of each sound, frames below its loudest by more than this (in powers of ten) are
    raised to that; None for none. Logarithms are of base 10.

    Whisper's frames (Radford et al. 2022) are those of `LogMel(span=8.0)`, plus 4, divided by 4.
    Raises `SpecError` for settings that make no sense, such as more bands than the transform can tell apart.
    """

    rate: int = 16_000
    window: int = 400
    hop: int = 160
    fft: int | None = None
    mels: int = 80
    low: float = 0.0
    high: float | None = None
    scale: str = "slaney"
    area: bool = True
    floor: float = 1e-10
    span: float | None = None

    def __post_init__(self) -> None:
        check_sizes("LogMel", rate=self.rate, window=self.window, hop=self.hop, fft=self.size, mels=self.mels)
        if self.window > self.size:
            raise SpecError(
                f"LogMel(window={self.window}, fft={self.fft}): the transform must be as long as the window"
            )
        if self.scale not in ("slaney", "htk"):
            raise SpecError(f"LogMel(scale={described(self.scale)}): expected 'slaney' or 'htk'")
        if not (is_number(self.low) and is_number(self.top) and 0 <= self.low < self.top <= self.rate / 2):
            raise SpecError(
                f"LogMel(low={described(self.low)}, high={described(self.high)}): expected 0 <= low < high <= "
                f"{self.rate / 2:g}, half the rate, in hertz"
            )
        if not is_number(self.floor) or self.floor <= 0:
            raise SpecError(f"LogMel(floor={described(self.floor)}): expected a power above 0, such as 1e-10")
        if self.span is not None and (not is_number(self.span) or self.span <= 0):
            raise SpecError(f"LogMel(span={described(self.span)}): expected a number above 0, or None")
        empty = np.flatnonzero(self.filters().max(0) == 0)
        if len(empty):
            raise SpecError(
                f"LogMel(mels={self.mels}, fft={self.size}): band {empty[0]} lies between two frequencies of the "
                "transform and would always be silent: take fewer bands, or a longer fft"
            )

    @property
    def size(self) -> int:
        """The length of the transform in samples."""
        return self.window if self.fft is None else self.fft

    @property
    def top(self) -> float:
        """The highest frequency in hertz."""
        return self.rate / 2 if self.high is None else self.high

    def count(self, lengths: Tensor) -> Tensor:
        """Frames of sounds of `lengths` samples: one for each started hop. Frame i is centred on sample i * hop."""
        return (lengths + self.hop - 1) // self.hop

    def filters(self) -> NDArray[np.float64]:
        """(fft // 2 + 1, mels): what of each frequency of the transform belongs to each band."""
        ends = mels_of(np.array([self.low, self.top]), self.scale)
        edges = hertz_of(np.linspace(ends[0], ends[1], self.mels + 2), self.scale)
        hertz = np.arange(self.size // 2 + 1)[:, None] * (self.rate / self.size)
        rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
        falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
        bands: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
        return bands * (2 / (edges[2:] - edges[:-2])) if self.area else bands

    def frames(self, samples: Tensor, lengths: Tensor | None = None) -> Tensor:
        """samples (batch, samples), floats from -1 to 1 or int16, lengths (batch,) or None -> (batch, frames, mels).

        float32, or float64 of float64. At both ends each sound is continued by its mirror image, at its own end also
        where it is padded; frames beyond its length are 0. Departs from Whisper, which leaves out the last frame where
        the hop does not divide the length. Raises `ShapeError` for another shape or dtype, or no samples at all.
        """
        sound = _floats(samples)
        if lengths is None:
            lengths = torch.full((sound.shape[0],), sound.shape[1])
        lengths = lengths.to(sound.device)
        many = (sound.shape[1] + self.hop - 1) // self.hop  # as `count`
        if not sound.shape[0]:  # torch.stft refuses an empty batch
            return sound.new_zeros(0, many, self.mels)
        # what is made while a graph is drawn is the graph's: it must not be kept
        made = _constants.__wrapped__ if is_drawn() else _constants
        window, filters = made(self, sound.device, sound.dtype)
        places = _mirrored(lengths, (many - 1) * self.hop + self.size, self.size // 2)
        with torch.autocast(sound.device.type, enabled=False):
            power = (_drawn_power if is_drawn() else _power)(self, sound.gather(1, places), window)
            logs = (power @ filters).clamp(min=self.floor).log10()
        padding = (torch.arange(many, device=sound.device) >= self.count(lengths)[:, None])[..., None]
        if self.span is not None:
            loudest = logs.masked_fill(padding, -torch.inf).amax((1, 2), keepdim=True)
            logs = torch.maximum(logs, loudest - self.span)
        return logs.masked_fill(padding, 0.0)


def _power(settings: LogMel, sound: Tensor, window: Tensor) -> Tensor:
    """(batch, frames, fft // 2 + 1) how much power each frequency of the transform has.

    In float64: what float32 rounds off the loudest frequency is as much as some quiet bands hold, and their logarithms
    would differ from machine to machine.
    """
    wide = sound.double(), window.double()
    spectrum = torch.stft(
        wide[0], settings.size, settings.hop, settings.window, wide[1], center=False, return_complex=True
    )
    return (spectrum.real.square() + spectrum.imag.square()).transpose(1, 2).to(sound.dtype)


def _drawn_power(settings: LogMel, sound: Tensor, window: Tensor) -> Tensor:
    """The same as matrix products, for runtimes' transforms are of float32."""
    size = settings.size
    before = (size - settings.window) // 2
    whole = nn.functional.pad(window.double(), (before, size - settings.window - before))
    # constants of numpy: in a graph they would be computed from a 2 pi of float32
    angles = np.arange(size)[:, None] * np.arange(size // 2 + 1)[None] % size * (2 * math.pi / size)
    across, up = torch.from_numpy(np.cos(angles)), torch.from_numpy(np.sin(angles))
    frames = sound.double().unfold(1, size, settings.hop) * whole
    return ((frames @ across).square() + (frames @ up).square()).to(sound.dtype)


def mels_of(hertz: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """Frequencies in hertz on a mel scale, "slaney" or "htk"."""
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + hertz / 700.0)
    above = _KNEE / _LINEAR + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _LOG_STEP
    return np.where(hertz < _KNEE, hertz / _LINEAR, above)


def hertz_of(mels: NDArray[np.float64], scale: str) -> NDArray[np.float64]:
    """The inverse of `mels_of`."""
    if scale == "htk":
        return 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    knee = _KNEE / _LINEAR
    return np.where(mels < knee, mels * _LINEAR, _KNEE * np.exp(_LOG_STEP * (np.maximum(mels, knee) - knee)))


def _floats(samples: Tensor) -> Tensor:
    if not isinstance(samples, Tensor) or samples.dim() != 2 or not samples.shape[1]:
        raise ShapeError(
            f"sounds are {described(samples)}, expected (batch, samples) with at least one sample: one channel, mix "
            "stereo down first"
        )
    if samples.dtype == torch.int16:
        return samples.to(torch.float32) / 32768
    if not samples.is_floating_point():
        raise ShapeError(f"sounds are {described(samples)}, expected floats from -1 to 1, or int16")
    return samples.to(torch.promote_types(samples.dtype, torch.float32))


def _mirrored(lengths: Tensor, many: int, before: int) -> Tensor:
    """(batch, many) int64: which sample stands at each place from `before` in front of the first one on, when a sound
    of `lengths` (batch,) is thrown back from its first and its last sample as often as needed."""
    last = (lengths - 1).clamp(min=0)[:, None]
    places = torch.arange(-before, many - before, device=lengths.device)
    period = torch.remainder(places[None], (2 * last).clamp(min=1))
    return torch.minimum(period, 2 * last - period).clamp(min=0)


@lru_cache(maxsize=16)
def _constants(settings: LogMel, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Window (window,) and filters (fft // 2 + 1, mels). Not buffers: a module in bfloat16 would round them."""
    with torch.inference_mode(False):  # they are kept, also for a later call that wants gradients
        window = torch.hann_window(settings.window, dtype=torch.float64)
        return window.to(device, dtype), torch.from_numpy(settings.filters()).to(device, dtype)
