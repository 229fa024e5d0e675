"""Random changes to log-mel frames in training: bands of pitch and stretches of time are blanked."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.nn.front_ends.draws import whole
from regard.spec.errors import SpecError
from regard.spec.value import described, is_number


@dataclass(frozen=True)
class SoundChanges:
    """SpecAugment without time warping, which the paper finds to matter least (Park et al. 2019, arXiv 1904.08779).

    bands: how many stretches of neighbouring mels are blanked, each 0 to `mels` wide; spans: how many stretches of
    time, each 0 to `frames` long, at most a `share` of the sound. Widths and places are drawn uniformly, both ends
    included. Raises `SpecError` for numbers below 0 or a share outside 0 to 1.
    """

    mels: int
    frames: int
    bands: int = 1
    spans: int = 1
    share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("mels", "frames", "bands", "spans"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < 0:
                raise SpecError(f"SoundChanges({name}={described(given)}): expected a whole number, 0 for none")
        if not is_number(self.share) or not 0 <= self.share <= 1:
            raise SpecError(f"SoundChanges(share={described(self.share)}): expected a share of the frames, 0 to 1")

    def apply(self, frames: Tensor, lengths: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """frames (batch, len, mels), 0 the mean, lengths (batch,) -> the same shape with the blanked parts 0.

        Random numbers come from `generator`, or from torch's own on the CPU: the same on every device for one seed.
        """
        batch, longest, mels = frames.shape
        lengths = lengths.to(frames.device)
        wide = torch.full((batch,), mels, device=frames.device)
        for _ in range(self.bands):
            blank = _stretch(wide, wide.clamp(max=self.mels), mels, generator)
            frames = frames.masked_fill(blank[:, None], 0.0)
        most = (lengths.double() * self.share).long().clamp(max=self.frames)
        for _ in range(self.spans):
            blank = _stretch(lengths, most, longest, generator)
            frames = frames.masked_fill(blank[..., None], 0.0)
        return frames


def _stretch(sizes: Tensor, most: Tensor, longest: int, generator: torch.Generator | None) -> Tensor:
    """(batch, longest) bool: True on one stretch of 0 to `most` (batch,) places out of the first `sizes` (batch,)."""
    width = whole(most + 1, generator=generator)
    start = whole(sizes - width + 1, generator=generator)
    places = torch.arange(longest, device=sizes.device)
    return (places >= start[:, None]) & (places < (start + width)[:, None])
