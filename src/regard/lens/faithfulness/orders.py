"""In which order the units of an input are taken away: by an explanation's weights, or by what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import SpecError

Floats = NDArray[np.float64]
Order = NDArray[np.int64]
Rows = NDArray[np.bool_]

RANDOM, POSITION, REVERSE = "random", "position", "reverse"
BASELINES = (RANDOM, POSITION, REVERSE)


def heaviest_first(weights: Floats, *, seed: int = 0) -> Order:
    """The places of `weights` (units,), the heaviest first. Equal ones come in an order drawn with `seed`: where an
    explanation does not tell units apart, it gains nothing from the order of the input."""
    ties = np.random.default_rng(seed).permutation(len(weights))
    return np.lexsort((ties, -weights)).astype(np.int64)


def baselines(units: int, *, draws: int, seed: int) -> dict[str, tuple[Floats, ...]]:
    """Weights of `units` units that look at nothing: `draws` random ones, the first unit heaviest, the last."""
    drawn = np.random.default_rng(seed)
    falling = np.arange(units, 0, -1, dtype=np.float64)
    return {
        RANDOM: tuple(drawn.permutation(units).astype(np.float64) for _ in range(draws)),
        POSITION: (falling,),
        REVERSE: (falling[::-1].copy(),),
    }


def counts(shares: Sequence[float], units: int) -> list[int]:
    """How many of `units` units each share is: rounded up, at least one. (.01, .5) of 9 -> 1, 5."""
    return [max(1, int(np.ceil(round(share * units, 9)))) for share in shares]


def without_first(order: Order, taken: Sequence[int]) -> Rows:
    """(len(taken), units): for each count, every unit but that many of the first in `order`."""
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order))
    return places[None, :] >= np.asarray(taken, dtype=np.int64)[:, None]


def checked_weights(name: str, weights: object, units: int) -> Floats:
    """An explanation's weights as float64 (units,).

    Raises:
        SpecError: they are of another shape, or one is no number.
    """
    found = np.asarray(weights, dtype=np.float64)
    if found.shape != (units,):
        raise SpecError(f"weights of {name!r} have the shape {found.shape}: expected ({units},), one a unit")
    if not np.isfinite(found).all():
        place = int(np.flatnonzero(~np.isfinite(found))[0])
        raise SpecError(f"the weight of {name!r} on unit {place} is {found[place]}: expected a number")
    return found
