"""Series as a scikit-learn user gives them, and what is told of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_array, validate_data

from regard.lens import watch
from regard.spec.errors import DataError
from regard.tasks.forecaster import Forecaster
from regard.tasks.given_series import GivenSeries, Grid
from regard.tasks.series_windows import WindowBatch, WindowPart

_BATCH = 256  # windows that are answered together


def series_to_fit(estimator: Any, X: Any, past: Any, known: Any) -> tuple[GivenSeries, bool]:
    """(the series, whether X is one alone, (time,)).

    Raises `ValueError` or `TypeError` in scikit-learn's words, and `DataError` for covariates of another shape.
    """
    alone, table = _table(X)
    least = estimator.horizon + 1 if isinstance(estimator.horizon, int) else 1
    values = validate_data(
        estimator, table, dtype=np.float64, ensure_all_finite="allow-nan", ensure_min_features=max(least, 1)
    )
    return _given(values, past, known, ahead=0, columns=None), alone


def series_to_ask(
    estimator: Any, X: Any, past: Any, known: Any, *, ahead: int, columns: tuple[int, int]
) -> GivenSeries:
    """The series that a forecast is asked of; they may be longer or shorter than those it was fitted on. columns: of
    past and known covariates. Raises as `series_to_fit` does."""
    values = check_array(_table(X)[1], dtype=np.float64, ensure_all_finite="allow-nan", estimator=estimator)
    return _given(values, past, known, ahead=ahead, columns=columns)


def quantiles_ahead(module: Forecaster, part: WindowPart) -> NDArray[np.float64]:
    """(rows, horizon, levels) of each window."""
    with torch.inference_mode():
        found = [module(_wide(part, start)).double().numpy() for start in range(0, len(part), _BATCH)]
    return np.concatenate(found)


def weights_back(module: Forecaster, part: WindowPart) -> Grid:
    """(rows, context): the share of each step of the past in what the tokens of the steps to come attended to, mean
    over layers and heads, a patch's share divided among its steps; 1 in all for each row."""
    found = []
    front, context = module.front, part.context
    count = front.count(context)
    spans = [tuple(map(int, unit.bounds)) for unit in front.units(context).of(0, count)]
    with torch.inference_mode():
        for start in range(0, len(part), _BATCH):
            with watch(module, queries=range(count, count + module.head.tokens)) as seen:
                module(_wide(part, start))
            layers = [layer.received.mean(1) for layer in seen.trace().layers]
            received = torch.stack(layers).mean(0)[:, :count].double().numpy()
            steps = np.zeros((len(received), context))
            for at, (first, last) in enumerate(spans):
                last = min(last, context)
                steps[:, first:last] += received[:, at, None] / (last - first)
            found.append(steps / steps.sum(1, keepdims=True))
    return np.concatenate(found)


def _wide(part: WindowPart, start: int) -> WindowBatch:
    """The windows from `start` on, with inputs in float64."""
    batch = part.batch(np.arange(start, min(start + _BATCH, len(part))))
    inputs = batch.values.double(), batch.observed, batch.past.double(), batch.known.double()
    return WindowBatch(*inputs, batch.targets, batch.units, batch.times, batch.counts)


def _table(X: Any) -> tuple[bool, Any]:
    """(whether X is one series alone, X with an axis for the series)."""
    alone = np.ndim(X) == 1 and not hasattr(X, "tocsr")
    return alone, np.asarray(X)[None] if alone else X


def _given(values: Grid, past: Any, known: Any, *, ahead: int, columns: tuple[int, int] | None) -> GivenSeries:
    count, steps = values.shape
    wanted = (None, None) if columns is None else columns
    told = _covariates("past", past, count, steps, wanted[0])
    return GivenSeries(values, told, _covariates("known", known, count, steps + ahead, wanted[1]))


def _covariates(name: str, given: Any, count: int, steps: int, columns: int | None) -> Grid:
    """(series, steps, columns) float64, with no columns where none are given. A series alone may give (steps, columns).

    Raises:
        DataError: another shape, or an entry that is not finite.
    """
    if given is None:
        if columns:
            raise DataError(
                f"{name}: the forecaster was fitted with {columns} columns, expected ({count}, {steps}, {columns})"
            )
        return np.empty((count, steps, 0))
    found = np.asarray(given, dtype=np.float64)
    found = found[None] if found.ndim == 2 and count == 1 else found
    expected = (count, steps, found.shape[-1] if columns is None else columns)
    if found.shape != expected:
        raise DataError(f"{name} has shape {found.shape}, expected (series, steps, columns) = {expected}")
    if not np.isfinite(found).all():
        raise DataError(f"{name} holds entries that are not finite: a covariate cannot be missing")
    return found
