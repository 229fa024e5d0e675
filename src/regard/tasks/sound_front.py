"""What makes tokens of recordings, as the settings and the facts of a run say."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.front_ends import AudioFrontEnd, LogMel, SoundChanges, Tokens
from regard.nn.front_ends.speed_changes import SpeedChanges
from regard.nn.front_ends.units import Spans
from regard.tasks.sections import SoundSettings
from regard.tasks.task import Setup

_WINDOW = 0.025  # seconds: a few periods of a voice, and short beside a vowel
_STRIDES = {1: (1, 1), 2: (1, 2), 4: (2, 2), 8: (2, 2, 2)}
_BLANK = 0.15  # of the bands, at most, is blanked by one mask
_BLANKED = 0.2  # of a recording's frames, at most,
_LONGEST = 0.5  # and at most so many seconds


class SoundFront(nn.Module):
    """An `AudioFrontEnd` that in training plays its sounds faster or slower first."""

    def __init__(self, audio: AudioFrontEnd, speed: SpeedChanges) -> None:
        super().__init__()
        self.audio, self.speed = audio, speed

    @property
    def dim(self) -> int:
        return self.audio.dim

    @property
    def longest(self) -> int | None:
        return self.audio.longest

    def units(self, *lengths: int) -> Spans:
        """Seconds, of sounds of so many samples each."""
        return self.audio.units(*lengths)

    def forward(self, samples: Tensor, lengths: Tensor) -> Tokens:
        """samples (batch, samples) int16, lengths (batch,) in samples -> tokens (batch, len, dim)."""
        if self.training and self.speed.most:
            samples, lengths = self.speed.apply(samples.float() / 32768, lengths)
        tokens: Tokens = self.audio(samples, lengths)
        return tokens


def sound_front(setup: Setup) -> SoundFront:
    """The front end of a run, standardised by the facts."""
    sound, core, mel = setup.settings.section(SoundSettings), setup.settings.core, mel_of(setup)
    changes = SoundChanges(
        mels=round(_BLANK * sound.mels),
        frames=round(_LONGEST / sound.step),
        bands=sound.masks,
        spans=sound.masks,
        share=_BLANKED,
    )
    audio = AudioFrontEnd(core.dim, mel, strides=_STRIDES[sound.stride], dropout=core.dropout, changes=changes)
    audio.standard.set(setup.facts["mean"], setup.facts["deviation"])
    return SoundFront(audio, SpeedChanges(sound.speed))


def mel_of(setup: Setup) -> LogMel:
    """The frames: windows of 25 ms, transformed at the next power of two."""
    sound, rate = setup.settings.section(SoundSettings), setup.facts["rate"]
    window = max(2, round(_WINDOW * rate))
    fft = 1 << (window - 1).bit_length()
    return LogMel(rate=rate, window=window, hop=max(1, round(sound.step * rate)), fft=fft, mels=sound.mels, floor=1e-8)


def count_tokens(setup: Setup, lengths: Tensor) -> Tensor:
    """Tokens of recordings of so many samples."""
    sound = setup.settings.section(SoundSettings)
    with torch.no_grad():
        return AudioFrontEnd(1, mel_of(setup), strides=_STRIDES[sound.stride]).count(lengths)
