"""Random changes of speed in training: a sound played faster or slower, and so higher or lower."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.nn.front_ends.draws import uniform
from regard.spec.errors import SpecError
from regard.spec.value import described, is_number


@dataclass(frozen=True)
class SpeedChanges:
    """Speed perturbation (Ko et al. 2015, "Audio augmentation for speech recognition"), one speed for a whole batch,
    drawn uniformly from 1 - most to 1 + most, where the paper takes 0.9, 1 or 1.1. Samples between samples are on a
    straight line, which dampens what is near half the rate.

    Raises `SpecError` for `most` outside 0 to 0.5.
    """

    most: float = 0.1

    def __post_init__(self) -> None:
        if not is_number(self.most) or not 0 <= self.most < 0.5:
            raise SpecError(
                f"SpeedChanges(most={described(self.most)}): expected a share of the speed, 0 <= most < 0.5"
            )

    def apply(
        self, samples: Tensor, lengths: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """samples (batch, len) floats, lengths (batch,) -> samples (batch, about len / speed), lengths; a sound that
        has samples keeps one at least.

        Random numbers come from `generator`, or from torch's own on the CPU: the same on every device for one seed.
        """
        speed = 1 + self.most * (2 * float(uniform(1, generator=generator)) - 1)
        long = max(1, round(samples.shape[1] / speed))
        if long == samples.shape[1]:
            return samples, lengths
        changed = nn.functional.interpolate(samples[:, None], size=long, mode="linear", align_corners=False)[:, 0]
        scaled = (lengths.double() * long / samples.shape[1]).round().to(torch.int64)
        return changed, torch.where(lengths > 0, scaled.clamp(1, long), lengths)
