"""From measured times to rates: non-negative least squares on ratios, and how far off they are."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regard.engine.calibration import Key, Rates
from regard.engine.calibration_grid import Asked
from regard.engine.calibration_run import Timed
from regard.kernels.cost import Cost
from regard.spec.errors import MissingExtraError

LEAST_REQUESTS = 6  # five rates are not fitted to fewer
FOLDS = 5
_STEPS = 20  # it settles within a few
_SOONEST = 1e-7  # seconds: no call is shorter, whatever the rates say

Array = np.ndarray[Any, np.dtype[np.float64]]


def fitted(timed: Iterable[Timed]) -> dict[Key, Rates]:
    """The rates of each kernel, dtype class and direction that was measured on at least `LEAST_REQUESTS` requests.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    groups: dict[Key, list[Timed]] = {}
    for each in timed:
        groups.setdefault(each.key, []).append(each)
    return {key: _checked(group) for key, group in groups.items() if len(group) >= LEAST_REQUESTS}


def fit(costs: Sequence[Cost], seconds: Sequence[float]) -> Rates:
    """The rates >= 0 that make the sum of squares of log(predicted / measured) least.

    Squares of relative errors alone are kinder to predictions that are too short (off by 1 at most) than to those that
    are too long: kernels whose times scatter would be predicted too short, and preferred for it. They are where this
    begins; each further step is non-negative least squares again (Lawson & Hanson 1974, chapter 23), relative to the
    last prediction (Gauss and Newton's step for the logarithm).
    """
    counts, times = np.array([_counts(cost) for cost in costs]), np.array(seconds)
    found = best = _relative(counts, times, np.ones(len(times)))
    least = float("inf")
    for _ in range(_STEPS):
        predicted = np.maximum(counts @ found, _SOONEST)
        logs = np.log(times / predicted)
        squares = float(logs @ logs)
        if squares > least - 1e-9:
            break
        best, least = found, squares
        found = _relative(counts, predicted, 1 + logs.clip(-1, 1))
    fixed, flop, cell, byte, step, bias = (float(f"{each:.4g}") for each in best)  # more digits were noise
    return Rates(fixed=fixed, flop=flop, cell=cell, byte=byte, step=step, bias=bias)


def off(rates: Rates, timed: Timed) -> float:
    """How many times too long or too short the predicted time is: at least 1."""
    ratio = max(rates.seconds(timed.cost), _SOONEST) / timed.seconds
    return max(ratio, 1 / ratio)


@dataclass(frozen=True)
class Choice:
    """What the planner would choose for a request that several kernels were measured on."""

    asked: Asked
    chosen: str
    fastest: str
    ratio: float  # the chosen one's measured time / the fastest one's


def choices(timed: Iterable[Timed], rates: Mapping[Key, Rates]) -> list[Choice]:
    """A choice by these rates for each request that at least two of the fitted kernels were measured on."""
    requests: dict[Asked, list[Timed]] = {}
    for each in timed:
        if each.key in rates:
            requests.setdefault(each.asked, []).append(each)
    found = []
    for asked, group in requests.items():
        if len(group) > 1:
            chosen = min(group, key=lambda each: rates[each.key].seconds(each.cost))
            fastest = min(group, key=lambda each: each.seconds)
            found.append(Choice(asked, chosen.key[0], fastest.key[0], chosen.seconds / fastest.seconds))
    return found


def _checked(group: list[Timed]) -> Rates:
    """The rates of all, with how far off those of four fifths are on the last fifth."""
    ordered = sorted(group, key=lambda each: each.seconds)  # so that each fifth has short calls and long ones
    offs = []
    for fold in range(FOLDS):
        held = ordered[fold::FOLDS]
        rates = _of([each for index, each in enumerate(ordered) if index % FOLDS != fold])
        offs += [off(rates, each) for each in held]
    return replace(
        _of(ordered),
        requests=len(group),
        median_off=round(statistics.median(offs), 3),
        worst_off=round(max(offs), 3),
    )


def _of(timed: Sequence[Timed]) -> Rates:
    return fit([each.cost for each in timed], [each.seconds for each in timed])


def _counts(cost: Cost) -> tuple[float, ...]:
    return 1.0, cost.flops, cost.cells, cost.bytes, cost.steps, cost.biased


def _relative(counts: Array, times: Array, wanted: Array) -> Array:
    """The rates >= 0 for which counts x rates / times come closest to `wanted`."""
    try:
        from scipy.optimize import nnls
    except ImportError as error:
        raise MissingExtraError("a calibration is fitted by SciPy; type: pip install 'regard[train]'") from error
    columns = counts / times[:, None]
    sizes = np.linalg.norm(columns, axis=0)  # columns are brought to one size: they differ by nine digits
    sizes[sizes == 0] = 1.0
    return np.asarray(nnls(columns / sizes, wanted)[0] / sizes)
