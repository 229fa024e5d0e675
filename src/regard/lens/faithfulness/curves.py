"""Deletion and insertion: the probability as units go, or come, one after the other, as an area under the curve.

Petsiuk et al. 2018, "RISE" (arXiv 1806.07421): from the whole input to none of it, and from none to the whole, the
heaviest unit first. They blur what is not yet inserted; here it is replaced as everywhere else in a question.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.lens.faithfulness.metric import Better
from regard.lens.faithfulness.orders import Floats, Order, Rows, without_first

STEPS = 20  # between nothing and everything: of a longer input several units go at once


@dataclass(frozen=True)
class Deletion:
    """The area under the probability as the heaviest units are taken away first, 0 to 1: low where the answer soon
    falls."""

    steps: int = STEPS
    name: str = "deletion"
    better: Better = "lower"
    about: str = "the area under the probability as units are taken away, the heaviest first"

    def kept(self, order: Order) -> Rows:
        return without_first(order, _taken(len(order), self.steps).tolist())

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        return _area(found, len(weights), self.steps)


@dataclass(frozen=True)
class Insertion:
    """The area as they are put back into an input of which all was taken away, 0 to 1: high where a few are enough."""

    steps: int = STEPS
    name: str = "insertion"
    better: Better = "higher"
    about: str = "the area under the probability as units are put back, the heaviest first"

    def kept(self, order: Order) -> Rows:
        return ~without_first(order, _taken(len(order), self.steps).tolist())

    def value(self, weights: Floats, whole: float, found: Floats) -> float:
        return _area(found, len(weights), self.steps)


def _taken(units: int, steps: int) -> NDArray[np.int64]:
    """How many units are gone at each point of the curve: none first, all last, at most `steps` + 1 points."""
    return np.unique(np.round(np.linspace(0, units, min(units, steps) + 1)).astype(np.int64))


def _area(found: Floats, units: int, steps: int) -> float:
    """Under the straight lines through the points, over the share of the units that is gone."""
    shares = _taken(units, steps) / units
    return float((np.diff(shares) * (found[1:] + found[:-1]) / 2).sum())
