"""Scores of forecasts: MASE of points, pinball loss and CRPS of quantiles, and how far the quantiles cover.

A row is one forecast. Truths: one `Future` a row, all of the same horizon. Answers: (rows, horizon), or (rows, horizon,
levels) for quantiles. Neighbouring forecasts of one series hang together: give `groups` (the series, or the week) for
an honest interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from regard.spec.errors import DataError, SpecError
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, mean_of, paired, quotient


@dataclass(frozen=True)
class Future:
    """What came: values (horizon,), in the series' unit. scale: what errors are divided by, in that unit too: for MASE
    the series' `seasonal_scale`; 1 leaves errors as they are."""

    values: Floats
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.values.ndim != 1 or not len(self.values) or not np.isfinite(self.values).all():
            raise DataError(f"future: values {self.values.shape}, expected finite ones (horizon,), 1 step or more")
        if not 0 < self.scale < np.inf:
            raise DataError(f"future: scale was {self.scale}, expected a finite one above 0")


def seasonal_scale(history: ArrayLike, season: int) -> float:
    """Mean |y[t] - y[t - season]| over a series' training part (steps,): what MASE divides by. In the series' unit.

    Raises:
        DataError: the part is not longer than a season, has gaps (NaN), or never changes from season to season.
    """
    values = np.asarray(history, dtype=float)
    if values.ndim != 1 or len(values) <= season or season < 1:
        raise DataError(f"history {values.shape} and season {season}: expected (steps,), steps > season >= 1")
    if not np.isfinite(values).all():
        raise DataError(f"history has no finite value at step {int(np.argmin(np.isfinite(values)))} (from 0)")
    scale = float(np.abs(values[season:] - values[:-season]).mean())
    if scale == 0:
        raise DataError(f"history repeats itself every {season} steps exactly: errors cannot be scaled by it")
    return scale


def mase(season: int) -> Measure:
    """Mean absolute scaled error (Hyndman & Koehler 2006): each forecast's mean |error| over the mean |error| that the
    seasonal naive forecast makes one season ahead in that series' training part; then the mean over forecasts.

    `season`: the lag that the futures' scales were made with; the protocol says it. Departs from the paper where it is
    above 1 (their equation has lag 1), as is usual for seasonal series.
    """

    def weigh(answers: ArrayLike, truths: Sequence[Future]) -> Scored:
        points, true, scales = _futures("MASE", answers, truths, ())
        return mean_of(np.abs(points - true).mean(1) / scales)

    return Measure("MASE", weigh, "lower", f"season:{season}")


def pinball(levels: Sequence[float]) -> Measure:
    """Mean pinball loss of quantiles (Koenker & Bassett 1978): level x (y - q) above the quantile q, (1 - level) x
    (q - y) below; the mean over levels, steps and rows. Over the futures' scales; the protocol says if they are 1."""
    _check_levels(levels)

    def weigh(answers: ArrayLike, truths: Sequence[Future]) -> Scored:
        losses, said = _losses("pinball", answers, truths, levels)
        return mean_of(losses.mean((1, 2)), said)

    return Measure("pinball", weigh, "lower", f"levels:{_listed(levels)}")


def crps(levels: Sequence[float]) -> Measure:
    """Continuous ranked probability score (Matheson & Winkler 1976) from quantiles: twice the pinball loss, integrated
    over levels; each level stands for the cell between the midpoints to its neighbours (0 and 1 at the ends).

    With levels (i - 1/2) / n it is exactly the CRPS of the n quantiles as an ensemble (Bröcker 2012); with others an
    approximation, the better the more levels there are. Over the futures' scales; the protocol says if they are 1.
    """
    _check_levels(levels)
    edges = np.concatenate([[0.0], (np.asarray(levels)[1:] + np.asarray(levels)[:-1]) / 2, [1.0]])

    def weigh(answers: ArrayLike, truths: Sequence[Future]) -> Scored:
        losses, said = _losses("CRPS", answers, truths, levels)
        return mean_of(2 * (losses @ np.diff(edges)).mean(1), said)

    return Measure("CRPS", weigh, "lower", f"levels:{_listed(levels)}")


def coverage_gap(levels: Sequence[float], *, low: float, high: float) -> Measure:
    """How far the share of values between two of the quantiles is from what it should be: |share - (high - low)|.

    `covered` gives the shares themselves, which may be too small or too large.

    Raises:
        SpecError: low or high is not among the levels.
    """
    _check_levels(levels)
    if low not in levels or high not in levels or low >= high:
        raise SpecError(f"low {low} and high {high}: expected two of the levels {_listed(levels)}, the lower one first")
    lower, upper = list(levels).index(low), list(levels).index(high)
    name = f"coverage gap of {high - low:.0%}"

    def weigh(answers: ArrayLike, truths: Sequence[Future]) -> Scored:
        found, true, _ = _futures(name, answers, truths, (len(levels),))
        inside = (found[..., lower] <= true) & (true <= found[..., upper])
        columns = np.stack([inside.mean(1), np.ones(len(true))], axis=1)
        return made_of(columns, lambda sums: np.abs(quotient(sums) - (high - low)))

    return Measure(name, weigh, "lower", f"from:{low:g}|to:{high:g}")


def covered(answers: ArrayLike, truths: Sequence[Future], levels: Sequence[float]) -> Floats:
    """The share of values at or below each quantile (levels,): of a calibrated forecast, the levels themselves."""
    found, true, _ = _futures("coverage", answers, truths, (len(levels),))
    return np.asarray((true[..., None] <= found).mean((0, 1)))


def _losses(name: str, answers: ArrayLike, truths: Sequence[Future], levels: Sequence[float]) -> tuple[Floats, str]:
    """Scaled pinball losses (rows, horizon, levels), and what the protocol says of them."""
    found, true, scales = _futures(name, answers, truths, (len(levels),))
    over = true[..., None] - found
    losses = np.maximum(np.asarray(levels) * over, (np.asarray(levels) - 1) * over)
    unit = "own" if (scales == 1).all() else "scaled"
    return losses / scales[:, None, None], f"unit:{unit}"


def _futures(
    name: str, answers: ArrayLike, truths: Sequence[Future], more: tuple[int, ...]
) -> tuple[Floats, Floats, Floats]:
    """Answers (rows, horizon, *more), what came (rows, horizon), and scales (rows,)."""
    found = np.asarray(answers, dtype=float)
    paired(name, found, truths)
    horizons = sorted({len(truth.values) for truth in truths})
    if len(horizons) > 1 or found.shape != (len(truths), horizons[0], *more):
        levels = f", {more[0]} levels" if more else ""
        raise DataError(
            f"{name}: answers {found.shape} and {len(truths)} truths of {', '.join(map(str, horizons))} steps, "
            f"expected answers (rows, horizon{levels}) and one horizon"
        )
    finite = np.isfinite(found).reshape(len(found), -1).all(1)
    if not finite.all():
        raise DataError(f"{name}: answer {int(np.argmin(finite))} (from 0) holds NaN or infinity, expected numbers")
    return found, np.stack([truth.values for truth in truths]), np.array([truth.scale for truth in truths])


def _check_levels(levels: Sequence[float]) -> None:
    values = np.asarray(levels, dtype=float)
    if not len(values) or not ((values > 0) & (values < 1)).all() or not (np.diff(values) > 0).all():
        raise SpecError(f"levels were {list(levels)}, expected rising ones between 0 and 1, 0.1 to 0.9 for instance")


def _listed(levels: Sequence[float]) -> str:
    return ",".join(f"{level:g}" for level in levels)
