"""Sound to tokens: log-mel frames, then strided convolutions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sizes, known, real_tokens
from regard.nn.front_ends.log_mel import LogMel
from regard.nn.front_ends.placing import Placing
from regard.nn.front_ends.sound_changes import SoundChanges
from regard.nn.front_ends.standardised import Standardised
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Spans
from regard.spec.errors import SpecError
from regard.spec.position import Learned, Sinusoidal
from regard.spec.value import described


class AudioFrontEnd(nn.Module):
    """Frames of `mel`, standardised band by band, then one convolution of width 3 and GELU for each of `strides` (the
    stem of Whisper, Radford et al. 2022, arXiv 2212.04356, §2.2, whose strides are 1 and 2).

    A sound's tokens do not depend on what it is padded to: each layer sees 0 beyond its end, and lengths are followed
    through exactly: n samples are n / hop frames, and each stride divides again, always rounding up. `changes` act in
    training alone. Raises `SpecError` for sizes or strides below 1.
    """

    def __init__(
        self,
        dim: int,
        mel: LogMel,
        *,
        strides: tuple[int, ...] = (1, 2),
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
        changes: SoundChanges | None = None,
    ) -> None:
        super().__init__()
        check_sizes("AudioFrontEnd", dim=dim)
        check_dropout("AudioFrontEnd", dropout)
        if not isinstance(strides, tuple) or not strides:
            raise SpecError(f"AudioFrontEnd(strides={described(strides)}): expected one stride a layer, such as (1, 2)")
        check_sizes("AudioFrontEnd", **{f"strides_{place}": stride for place, stride in enumerate(strides)})
        self.dim, self.mel, self.strides, self.changes = dim, mel, strides, changes
        self.standard = Standardised(mel.mels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(dim if place else mel.mels, dim, 3, stride=stride, padding=1)
            for place, stride in enumerate(strides)
        )
        self.placing = Placing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def count(self, lengths: Tensor) -> Tensor:
        """Tokens of sounds of `lengths` samples."""
        counts = self.mel.count(lengths)
        for stride in self.strides:
            counts = _divided(counts, stride)
        return counts

    def units(self, *lengths: int) -> Spans:
        """Seconds, of sounds of so many samples each: each moment belongs to the token centred nearest."""
        step = self.mel.hop / self.mel.rate
        for stride in self.strides:
            step *= stride
        ends = tuple(length / self.mel.rate for length in lengths)
        return Spans("frame", "seconds", step, step, start=-step / 2, ends=ends)

    def fit(self, batches: Iterable[tuple[Tensor, Tensor | None]]) -> None:
        """Takes the constants of the bands from (samples, lengths) of the training part. See `Standardised.fit`."""
        self.standard.fit(self._real_frames(samples, lengths) for samples, lengths in batches)

    def forward(self, samples: Tensor, lengths: Tensor | None = None) -> Tokens:
        """samples (batch, samples), floats from -1 to 1 or int16, at the rate of `mel`; lengths (batch,) in samples or
        None -> tokens (batch, len, dim), where len = `count` of the longest.

        A sound of one sample is one token, one of none is none. Raises `ShapeError` for other shapes, lengths that do
        not fit, or more tokens than the positions hold.
        """
        frames, frame_counts = self._frames(samples, lengths)
        x = self.standard(frames)
        if self.changes is not None and self.training:
            x = self.changes.apply(x, frame_counts)
        x = x.to(self.convolutions[0].weight.dtype)
        counts = frame_counts
        for layer, stride in zip(self.convolutions, self.strides, strict=True):
            x = x.masked_fill(_beyond(counts, x), 0.0)  # so that the end of a sound sees what it would see unpadded
            x = nn.functional.gelu(layer(x.transpose(1, 2)).transpose(1, 2))
            counts = _divided(counts, stride)
        x, added = self.placing(x)
        ends = (samples.shape[1],) if lengths is None else known(lengths)
        return Tokens.padded(
            "AudioFrontEnd",
            self.dropout(x),
            None if lengths is None else counts,
            self.units(*ends),
            positions=added,
        )

    def _frames(self, samples: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor]:
        """(batch, frames, mels), and how many of them are real, (batch,)."""
        if lengths is not None and isinstance(samples, Tensor) and samples.dim() == 2:
            real_tokens("AudioFrontEnd", lengths, samples)
        frames = self.mel.frames(samples, lengths)
        if lengths is None:
            return frames, torch.full((frames.shape[0],), frames.shape[1], device=frames.device)
        return frames, self.mel.count(lengths.to(frames.device, torch.int64))

    def _real_frames(self, samples: Tensor, lengths: Tensor | None) -> Tensor:
        frames, counts = self._frames(samples, lengths)
        return frames[~_beyond(counts, frames)[..., 0]]


def _divided(counts: Tensor, stride: int) -> Tensor:
    """A convolution of width 3, padded by 1: as many as fit, rounding up."""
    return (counts + stride - 1) // stride


def _beyond(counts: Tensor, x: Tensor) -> Tensor:
    """(batch, len, 1) bool: True beyond the first `counts` of x."""
    return (torch.arange(x.shape[1], device=x.device) >= counts[:, None])[..., None]
