"""Baselines of forecasts: the last season again, and DLinear; and quantiles from how far they erred in training.

pasts (rows, length) and futures (rows, horizon) are windows of series, gaps filled or left out before; they may be
strided views: they are read in blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.spec.errors import DataError

Floats = NDArray[np.float64]

KERNEL = 25  # steps of DLinear's moving average, as published
_STRENGTHS = (1e-6, 1e-4, 1e-2, 1e-1, 1.0)  # ridge, over the mean square of the inputs
_AT_ONCE = 4096  # windows held as float64 at once


def seasonal_naive(pasts: ArrayLike, *, horizon: int, season: int) -> Floats:
    """The last season over and over: value t + h is the one at the same place of the last season. (rows, horizon).

    Raises:
        DataError: pasts shorter than a season.
    """
    values = np.asarray(pasts, dtype=float)
    if values.ndim != 2 or not 1 <= season <= values.shape[1]:
        raise DataError(f"pasts {values.shape} and season {season}, expected (rows, length), length >= season >= 1")
    return values[:, values.shape[1] - season + np.arange(horizon) % season]


@dataclass(frozen=True)
class DLinear:
    """A fitted model: weights (length, horizon) and offset (horizon,) for windows in their own units of spread."""

    weights: Floats
    offset: Floats

    def __call__(self, pasts: ArrayLike) -> Floats:
        """Forecasts (rows, horizon) of pasts (rows, length).

        Raises:
            DataError: pasts of another length than in training.
        """
        values = np.asarray(pasts)
        if values.ndim != 2 or values.shape[1] != len(self.weights):
            raise DataError(f"pasts {values.shape}, expected (rows, {len(self.weights)}) as in training")
        found = np.empty((len(values), len(self.offset)))
        for start in range(0, len(values), _AT_ONCE):
            scaled, level, spread = _scaled(values[start : start + _AT_ONCE])
            found[start : start + _AT_ONCE] = (scaled @ self.weights + self.offset) * spread + level
        return found


def fit_dlinear(pasts: ArrayLike, futures: ArrayLike, *, kernel: int = KERNEL) -> DLinear:
    """DLinear (Zeng et al. 2023): a past is parted into a moving average and the rest, each goes through a linear
    layer, and their sum is the forecast.

    Departs from the paper: the two layers are fitted at once in closed form (ridge regression, its strength the best of
    five on the last tenth of the windows; then all are used) instead of by gradient descent, and each window is shifted
    by its mean and divided by its standard deviation first, so that series of all sizes share the layers.

    Raises:
        DataError: not one future a past, fewer than 10 of them, or a value that is not finite.
    """
    past, future = np.asarray(pasts), np.asarray(futures)
    if past.ndim != 2 or future.ndim != 2 or len(past) != len(future) or len(past) < 10:
        raise DataError(f"pasts {past.shape} and futures {future.shape}, expected (rows, length) and (rows, horizon)")
    cut = len(past) * 9 // 10
    early, late = _Sums.of(past[:cut], future[:cut]), _Sums.of(past[cut:], future[cut:])
    parts = _parts(past.shape[1], kernel)
    best = min(_STRENGTHS, key=lambda strength: late.error(early.solved(parts, strength)))
    whole = early.plus(late).solved(parts, best)
    return DLinear(whole[:-1], whole[-1])


def spread(points: ArrayLike, futures: ArrayLike, levels: Sequence[float]) -> Floats:
    """The quantiles of (what came - what was foretold) in training, for each step ahead: (horizon, levels).

    `points[..., None] + spread(...)` are quantile forecasts (rows, horizon, levels) around others' points.
    """
    errors = np.asarray(futures, dtype=float) - np.asarray(points, dtype=float)
    return np.asarray(np.quantile(errors, levels, axis=0).T, dtype=float)


@dataclass(frozen=True)
class _Sums:
    """Sums over windows: inputs (length + 1, the last one constant) with inputs and with futures; futures squared."""

    inner: Floats
    outer: Floats
    square: float
    rows: int

    @staticmethod
    def of(pasts: NDArray[np.floating], futures: NDArray[np.floating]) -> _Sums:
        size, horizon = pasts.shape[1] + 1, futures.shape[1]
        inner, outer, square = np.zeros((size, size)), np.zeros((size, horizon)), 0.0
        for start in range(0, len(pasts), _AT_ONCE):
            scaled, level, width = _scaled(pasts[start : start + _AT_ONCE])
            inputs = np.concatenate([scaled, np.ones((len(scaled), 1))], axis=1)
            targets = (futures[start : start + _AT_ONCE] - level) / width
            inner += inputs.T @ inputs
            outer += inputs.T @ targets
            square += float(np.square(targets).sum())
        if not np.isfinite(inner).all() or not np.isfinite(square):
            raise DataError("a window holds NaN or infinity, expected finite values; leave such windows out")
        return _Sums(inner, outer, square, len(pasts))

    def plus(self, other: _Sums) -> _Sums:
        return _Sums(
            self.inner + other.inner, self.outer + other.outer, self.square + other.square, self.rows + other.rows
        )

    def solved(self, parts: Floats, strength: float) -> Floats:
        """Ridge weights on the parts of the inputs, as weights on the inputs: (length + 1, horizon)."""
        inner = parts.T @ self.inner @ parts
        size = np.trace(self.inner[:-1, :-1]) / (len(self.inner) - 1)
        ridge = np.full(len(inner), strength * (size if size > 0 else 1.0))
        ridge[-1] = 0.0  # the constant is free
        solved: Floats = parts @ np.linalg.solve(inner + np.diag(ridge), parts.T @ self.outer)
        return solved

    def error(self, weights: Floats) -> float:
        """The mean square error of weights on these windows, a step."""
        fitted = float((weights * (self.inner @ weights)).sum() - 2 * (weights * self.outer).sum())
        return float((self.square + fitted) / (self.rows * weights.shape[1]))


def _parts(length: int, kernel: int) -> Floats:
    """What turns inputs (length + 1) into their moving average, the rest, and the constant: (length + 1, 2 length + 1).

    The average is centred, and the first and last values are repeated beyond the ends.
    """
    average = np.zeros((length, length))
    for step in range(length):
        reached = np.arange(step - (kernel - 1) // 2, step + kernel // 2 + 1).clip(0, length - 1)
        np.add.at(average[:, step], reached, 1 / kernel)
    parts = np.zeros((length + 1, 2 * length + 1))
    parts[:length, :length] = average
    parts[:length, length:-1] = np.eye(length) - average
    parts[-1, -1] = 1.0
    return parts


def _scaled(pasts: NDArray[np.floating]) -> tuple[Floats, Floats, Floats]:
    """Windows in their own units, (rows, length), and each one's mean and standard deviation (rows, 1); 1 where it
    never changes."""
    values = np.asarray(pasts, dtype=float)
    level, width = values.mean(1, keepdims=True), values.std(1, keepdims=True)
    width[width == 0] = 1.0
    return (values - level) / width, level, width
