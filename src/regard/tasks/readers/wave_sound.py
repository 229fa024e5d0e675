"""One wav file: whether it can be used, why not, and its samples. Nothing is resampled or mixed unless asked for."""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass
from importlib.util import find_spec
from math import gcd
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, SpecError
from regard.spec.extra import require

_SILENT = 1e-4  # of full scale (-80 dB, three steps of 16 bits): no sample is further from their mean


@dataclass(frozen=True, slots=True)
class Sound:
    """What a sound is: samples a second, channels, bits a sample (0: not whole numbers), samples a channel."""

    rate: int
    channels: int
    bits: int
    frames: int

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


@dataclass(frozen=True)
class SoundRules:
    """What sounds are to be, and what is done with those that are otherwise.

    rate: samples a second; None: what most of the files have. channels "mix": the mean of several. other_rate
    "resample": by a polyphase filter (`scipy.signal.resample_poly`), which keeps what both rates can hold.
    """

    rate: int | None = None
    channels: Literal["refuse", "mix"] = "refuse"
    other_rate: Literal["refuse", "resample"] = "refuse"

    def __post_init__(self) -> None:
        if self.rate is not None and self.rate < 1:
            raise SpecError(f"a rate of {self.rate} samples a second, expected at least 1")
        if self.channels not in ("refuse", "mix") or self.other_rate not in ("refuse", "resample"):
            raise SpecError(
                f"channels={self.channels!r}, expected refuse or mix; "
                f"other_rate={self.other_rate!r}, expected refuse or resample"
            )


def listen_to(content: bytes) -> Sound | str:
    """Reads a wav file once, all samples; what it is, or why it cannot be used."""
    found = _decoded(content)
    if isinstance(found, str):
        return found
    sound, samples = found
    if not sound.frames:
        return "has no samples"
    if not np.isfinite(samples).all():
        return "has samples that are no numbers"
    if float(np.abs(samples - samples.mean(axis=0)).max()) < _SILENT:
        return f"is silent for all of its {sound.seconds:.2f} seconds"
    return sound


def samples_of(content: bytes, *, rate: int) -> NDArray[np.float32]:
    """The samples of a wav file that `listen_to` found usable, (samples,), between -1 and 1, at `rate` a second.

    Several channels are mixed to their mean, and another rate is resampled: whether that may be is judged before, by
    `read_speech`.

    Raises:
        DataError: the file cannot be read.
    """
    found = _decoded(content)
    if isinstance(found, str):
        raise DataError(f"the sound {found}")
    sound, samples = found
    mixed = samples.mean(axis=1, dtype=np.float64)
    if sound.rate != rate:
        from scipy.signal import resample_poly

        shared = gcd(rate, sound.rate)
        mixed = resample_poly(mixed, rate // shared, sound.rate // shared)
    return np.asarray(mixed, dtype=np.float32)


def _decoded(content: bytes) -> tuple[Sound, NDArray[np.float32]] | str:
    """(what it is, samples (frames, channels)), or why there are none."""
    if not content.startswith((b"RIFF", b"RIFX", b"RF64")) or content[8:12] != b"WAVE":
        return "is no wav file" if content else "is empty (0 bytes)"
    try:
        with wave.open(io.BytesIO(content)) as file:
            sound = Sound(file.getframerate(), file.getnchannels(), 8 * file.getsampwidth(), file.getnframes())
            data = file.readframes(sound.frames)
    except (wave.Error, EOFError) as error:
        return _other_coding(content, error)
    width = sound.bits // 8 * sound.channels
    if len(data) < sound.frames * width:
        return f"is cut short: {len(data) // width:,} of {sound.frames:,} samples are there"
    if not sound.rate:
        return "has a rate of 0 samples a second"
    return sound, _numbers(data, sound.bits).reshape(-1, sound.channels)


def _numbers(data: bytes, bits: int) -> NDArray[np.float32]:
    if bits == 8:  # unsigned, unlike the others
        whole = np.frombuffer(data, np.uint8).astype(np.int64) - 128
    elif bits == 24:
        low = np.frombuffer(data, np.uint8).reshape(-1, 3).astype(np.int64)
        whole = ((low[:, 0] | (low[:, 1] << 8) | (low[:, 2] << 16)) ^ (1 << 23)) - (1 << 23)  # its sign is the top bit
    else:
        whole = np.frombuffer(data, f"<i{bits // 8}").astype(np.int64)
    return (whole / float(1 << bits - 1)).astype(np.float32)


def _other_coding(content: bytes, error: Exception) -> tuple[Sound, NDArray[np.float32]] | str:
    """Codings that the standard library does not know (floats, extensible headers), by libsndfile."""
    said = " ".join(str(error).split())
    if not said.startswith("unknown format"):
        return f"is cut short or broken ({said or 'it ends early'})"
    if find_spec("soundfile") is None:
        return f"is coded otherwise than as whole numbers ({said}), which needs: pip install 'regard[audio]'"
    import soundfile  # type: ignore[import-not-found, import-untyped, unused-ignore]

    try:
        samples, rate = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
        bits = {"PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
        coded: Any = soundfile.info(io.BytesIO(content)).subtype
    except (RuntimeError, soundfile.LibsndfileError) as broken:
        return f"is cut short or broken ({' '.join(str(broken).split())})"
    return Sound(int(rate), samples.shape[1], bits.get(coded, 0), len(samples)), samples


def check_installed(rules: SoundRules) -> None:
    """Raises:
    MissingExtraError: resampling is asked for and scipy is not there."""
    if rules.other_rate == "resample":
        require("scipy", what="resampling sounds")
