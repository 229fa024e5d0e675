"""Comprehensiveness and sufficiency: does the answer need the heaviest units, and do they do alone?

DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models" (arXiv 1911.03429), section 4. Of graded
weights they take the heaviest 1, 5, 10, 20 and 50 % in turn; the value is the mean over those five. (The paper writes
1 / (|B| + 1), with the whole input as a further bin whose difference is 0; its figures, and other packages', leave that
bin out, and so do we.) A share is rounded up to whole units, so that of a short input several bins are one unit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regard.lens.faithfulness.metric import Better
from regard.lens.faithfulness.orders import Floats, Order, Rows, counts, without_first

SHARES = (0.01, 0.05, 0.10, 0.20, 0.50)


@dataclass(frozen=True)
class Comprehensiveness:
    """How far the probability falls without the heaviest units: mean over `shares` of p(whole) - p(without them)."""

    shares: tuple[float, ...] = SHARES
    name: str = "comprehensiveness"
    better: Better = "higher"
    about: str = "how far the probability falls when the heaviest units are taken away"

    def kept(self, order: Order) -> Rows:
        return without_first(order, counts(self.shares, len(order)))

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        return float(np.mean(whole - found))


@dataclass(frozen=True)
class Sufficiency:
    """How far it falls when nothing but the heaviest units is kept: mean over `shares` of p(whole) - p(only them)."""

    shares: tuple[float, ...] = SHARES
    name: str = "sufficiency"
    better: Better = "lower"
    about: str = "how far the probability falls when nothing but the heaviest units is kept"

    def kept(self, order: Order) -> Rows:
        return ~without_first(order, counts(self.shares, len(order)))

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        return float(np.mean(whole - found))
