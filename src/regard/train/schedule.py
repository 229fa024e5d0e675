"""The learning rate of each step, as a function of the step alone: nothing to keep in a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Schedule:
    """A linear rise to `peak` over the first `warmup` steps, then constant, or half a cosine down to 0 at `steps`.

    Cosine: Loshchilov & Hutter 2017 (arXiv 1608.03983, eq. 5, without restarts).
    """

    kind: Literal["constant", "cosine"]
    peak: float
    steps: int
    warmup: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < self.steps:
            raise SpecError(f"warm-up of {self.warmup} of {self.steps} steps, expected 0 or more, and fewer than all")

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, from 0 to steps - 1."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        if self.kind == "constant":
            return self.peak
        return self.peak * 0.5 * (1 + math.cos(math.pi * (step - self.warmup) / (self.steps - self.warmup)))
