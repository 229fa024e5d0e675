"""95 % intervals: Wilson's for shares, the percentile bootstrap over rows or groups of rows for everything else."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError

Floats = NDArray[np.float64]
Resampled = Callable[[Floats], Floats]  # how often each unit was drawn (draws, units) -> a score a draw (draws,)

DRAWS = 2000
MOST_UNITS = 10_000  # more rows than that are first put into so many random bins, which are then drawn
_SEED = 0
_BLOCK = 4_000_000  # counts held at once: 32 MB
_MOST_AT_ONCE = 50  # draws: a score may hold more for each than its counts
_Z = 1.959963984540054  # the normal distribution's .975 quantile: two-sided 95 %


def wilson(share: float, rows: int) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in so many rows (Wilson 1927): never outside [0, 1], right even at
    0 and 1."""
    z2 = _Z * _Z
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


@dataclass(frozen=True)
class Members:
    """Which unit of the bootstrap each row belongs to. `words` is how the protocol calls what is drawn."""

    of_row: NDArray[np.int64]  # (rows,), values from 0 to units - 1
    units: int
    words: str

    def summed(self, values: Floats) -> Floats:
        """Sums over each unit's rows: (rows, columns) -> (units, columns)."""
        sums = np.zeros((self.units, values.shape[1]))
        for column in range(values.shape[1]):
            sums[:, column] = np.bincount(self.of_row, weights=values[:, column], minlength=self.units)
        return sums


def members(rows: int, groups: Sequence[Hashable] | None = None) -> Members:
    """What is drawn in a bootstrap over so many rows.

    With `groups` (rows,), one name a row, it is whole groups: rows of one file, user or speaker hang together, and to
    draw them one by one would make the interval too narrow. Without, it is rows; above 10,000 of them, random bins of
    rows of equal size, whose sums spread as the rows' would and which cost the same however many rows there are.

    Raises:
        DataError: not one name a row, or all rows are of one group.
    """
    if groups is None:
        if rows <= MOST_UNITS:
            return Members(np.arange(rows), rows, "rows")
        places = np.random.default_rng(_SEED).permutation(rows) % MOST_UNITS
        return Members(places, MOST_UNITS, f"{MOST_UNITS} bins of rows")
    if len(groups) != rows:
        raise DataError(f"{len(groups)} groups for {rows} rows, expected one a row")
    first: dict[Hashable, int] = {}
    places = np.array([first.setdefault(name, len(first)) for name in groups], dtype=np.int64)
    if len(first) < 2:
        raise DataError(
            f"all {rows} rows are of one group ({next(iter(first))!r}), expected 2 groups or more: how groups differ "
            "cannot be told from one; leave groups out for an interval over rows"
        )
    return Members(places, len(first), f"{len(first)} groups")


def counts(units: int) -> Iterator[Floats]:
    """How often each unit is drawn, 2,000 times drawing as many units as there are, with repetition: blocks of
    (draws, units). The same for the same number of units, so that two systems are compared on the same draws."""
    chance = np.random.default_rng(_SEED)
    size = max(1, min(_MOST_AT_ONCE, _BLOCK // units))
    for start in range(0, DRAWS, size):
        block = np.empty((min(size, DRAWS - start), units))
        for row in block:
            row[:] = np.bincount(chance.integers(0, units, units), minlength=units)
        yield block


def bootstrap(*scores: Resampled, units: int) -> Floats:
    """Scores on resampled units: (scores, draws). Every score sees the same draws (paired bootstrap, Koehn 2004)."""
    blocks = [np.stack([score(block) for score in scores]) for block in counts(units)]
    return np.concatenate(blocks, axis=1)


def middle_95(draws: Floats) -> tuple[float, float]:
    """The .025 and .975 quantiles of the draws (draws,); those that have no score (NaN) are left out."""
    low, high = np.quantile(draws[~np.isnan(draws)], (0.025, 0.975))
    return float(low), float(high)
