"""The mean over inputs, with the interval that belongs to so many of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regard.spec.errors import SpecError

DRAWS = 2000


@dataclass(frozen=True)
class Mean:
    """low and high: the middle 95 % of the means of inputs drawn with replacement (percentile bootstrap, fixed seed);
    of very few inputs too narrow, of one without width."""

    value: float
    low: float
    high: float
    inputs: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.inputs > 1 and self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is."""
        return self.inputs > 1 and self.high < 0


def mean(values: Sequence[float], *, seed: int = 0) -> Mean:
    """Of one number an input. A mean of differences, input by input, is a paired comparison.

    Raises:
        SpecError: there are none.
    """
    found = np.asarray(values, dtype=np.float64)
    if not len(found):
        raise SpecError("mean: there are no inputs; give at least one")
    drawn = np.random.default_rng(seed).integers(0, len(found), (DRAWS, len(found)))
    low, high = np.percentile(found[drawn].mean(-1), [2.5, 97.5])
    return Mean(float(found.mean()), float(low), float(high), len(found))
