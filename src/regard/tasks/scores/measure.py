"""A measure: one way to score answers, as a value. Call it for a `Metric`; ask it for the gain over other answers.

Every measure here comes down to numbers kept for each row and a score that is made of their sums. That is all that an
interval needs: rows (or whole groups of rows) are drawn again and again, and the score made anew of the sums.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats, Members, Resampled, bootstrap, members, middle_95, wilson
from regard.tasks.scores.metric import Better, Metric


@dataclass(frozen=True)
class Scored:
    """What a measure made of answers, row by row.

    pooled: which row belongs to which unit -> the score of drawn units.
    said: what only these answers could tell the protocol: a library's signature, say; may be empty.
    each: the rows' own values (rows,), where the score is their mean; else None.
    share: whether those are all 0 or 1, so that the score is a share of rows.
    """

    rows: int
    pooled: Callable[[Members], Resampled]
    said: str = ""
    each: Floats | None = None
    share: bool = False

    @property
    def value(self) -> float:
        """The score of all rows, each once."""
        among = members(self.rows)
        return float(self.pooled(among)(np.ones((1, among.units)))[0])


@dataclass(frozen=True)
class Measure:
    """One way to score answers. weigh: (answers, truths) -> what each row adds to the score. said: what the measure
    adds to the protocol, known before there are answers; may be empty.

    What answers and truths are, a measure's own documentation says; there is one of each for every row.
    """

    name: str
    weigh: Callable[[Any, Any], Scored]
    better: Better = "higher"
    said: str = ""

    def __call__(self, answers: Any, truths: Any, *, protocol: str, groups: Sequence[Hashable] | None = None) -> Metric:
        """The score of all rows with its 95 % interval: Wilson's for a share of independent rows, else the percentile
        bootstrap (2,000 draws, fixed seed) over rows, or over `groups` (rows,): one name a row, a file's or a user's.
        The bootstrap of very few rows is too narrow, of one row it has no width at all.

        Raises:
            DataError: answers and truths do not fit each other, a row cannot be scored, or there is one group only.
            MissingExtraError: the library that scores is not installed.
        """
        scored = self.weigh(answers, truths)
        value = scored.value
        if scored.share and groups is None:
            low, high = wilson(value, scored.rows)
            return self._metric(value, low, high, scored, protocol, "wilson95")
        among = members(scored.rows, groups)
        low, high = middle_95(bootstrap(scored.pooled(among), units=among.units)[0])
        return self._metric(value, low, high, scored, protocol, f"bootstrap95 over {among.words}")

    def gain(
        self, answers: Any, others: Any, truths: Any, *, protocol: str, groups: Sequence[Hashable] | None = None
    ) -> Metric:
        """By how much answers score better than other answers to the same rows: positive is better, whichever way the
        measure points. The 95 % interval is of the paired bootstrap (Koehn 2004, section 4): both are scored on the
        same draws, so that what is hard for both does not widen it. An interval above 0 is a gain at p < .025.

        Raises: as a call does.
        """
        one, other = self.weigh(answers, truths), self.weigh(others, truths)
        if one.rows != other.rows:
            raise DataError(f"{self.name}: {one.rows} answers beside {other.rows} others, expected the same rows")
        sign = 1.0 if self.better == "higher" else -1.0
        among = members(one.rows, groups)
        drawn = bootstrap(one.pooled(among), other.pooled(among), units=among.units)
        low, high = middle_95(sign * (drawn[0] - drawn[1]))
        value = sign * (one.value - other.value)
        said = self._protocol(protocol, one, f"paired-bootstrap95 over {among.words}")
        return Metric(f"{self.name} gain", value, low, high, one.rows, said)

    def each(self, answers: Any, truths: Any) -> Floats:
        """The rows' own values (rows,), whose mean the score is.

        Raises:
            DataError: the score is not a mean over rows; or as a call does.
        """
        values = self.weigh(answers, truths).each
        if values is None:
            raise DataError(f"{self.name} is a score of all rows together, not a mean over rows; use its gain")
        return values

    def _metric(self, value: float, low: float, high: float, scored: Scored, protocol: str, interval: str) -> Metric:
        said = self._protocol(protocol, scored, interval)
        return Metric(self.name, value, low, high, scored.rows, said, self.better)

    def _protocol(self, protocol: str, scored: Scored, interval: str) -> str:
        return "|".join(filter(None, (protocol, self.said, scored.said, f"interval:{interval}")))


def mean_of(values: Floats, said: str = "", *, share: bool = False) -> Scored:
    """The mean of the rows' values (rows,). share: they are all 0 or 1."""
    columns = np.stack([values, np.ones_like(values)], axis=1).astype(float)
    return Scored(len(values), _summing(columns, quotient), said, values.astype(float), share)


def ratio_of(above: Floats, below: Floats, said: str = "") -> Scored:
    """The sum of one number over the sum of another, both (rows,): errors over words, say."""
    return Scored(len(above), _summing(np.stack([above, below], axis=1).astype(float), quotient), said)


def made_of(columns: Floats, score: Callable[[Floats], Floats], said: str = "") -> Scored:
    """A score of sums: columns (rows, numbers), score: sums (draws, numbers) -> (draws,)."""
    return Scored(len(columns), _summing(columns, score), said)


def paired(name: str, answers: Sized, truths: Sized) -> int:
    """The number of rows.

    Raises:
        DataError: not one answer a truth, or no row at all.
    """
    if len(answers) != len(truths) or not len(truths):
        raise DataError(f"{name}: {len(answers)} answers and {len(truths)} truths, expected as many of each, 1 or more")
    return len(truths)


def _summing(columns: Floats, score: Callable[[Floats], Floats]) -> Callable[[Members], Resampled]:
    def pooled(among: Members) -> Resampled:
        sums = among.summed(columns)
        return lambda drawn: score(drawn @ sums)

    return pooled


def quotient(sums: Floats) -> Floats:
    """The first column over the second (draws, 2) -> (draws,); NaN where the second is 0."""
    above, below = sums.T
    nothing = np.full(len(sums), np.nan)
    ratio: Floats = np.divide(above, below, out=nothing, where=below > 0)
    return ratio
