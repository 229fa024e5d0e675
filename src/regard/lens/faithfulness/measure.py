"""One input's explanations, measured: each metric for each explanation, beside random, position and reverse order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from regard.lens.faithfulness.curves import Deletion, Insertion
from regard.lens.faithfulness.left_out import LeftOut
from regard.lens.faithfulness.metric import Metric
from regard.lens.faithfulness.orders import (
    BASELINES,
    RANDOM,
    Floats,
    Order,
    Rows,
    baselines,
    checked_weights,
    counts,
    heaviest_first,
    without_first,
)
from regard.lens.faithfulness.rationale import SHARES, Comprehensiveness, Sufficiency
from regard.lens.question import Question
from regard.spec.errors import SpecError

METRICS: tuple[Metric, ...] = (Comprehensiveness(), Sufficiency(), Deletion(), Insertion(), LeftOut())
QUICK: tuple[Metric, ...] = METRICS[:2]  # what a few dozen passes tell
DRAWS = 10


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One input, under one way to take units away.

    units: how many. whole: the target's probability on the whole input. values: by explanation or baseline, each
    metric's value; of random order the mean over its draws. left: by explanation or baseline, the probability without
    the heaviest of each of `SHARES`. drawn: (draws, shares) the same for each random order.
    """

    way: str
    units: int
    whole: float
    values: Mapping[str, Mapping[str, float]]
    left: Mapping[str, tuple[float, ...]]
    drawn: tuple[tuple[float, ...], ...]


def measure(
    question: Question,
    explanations: Mapping[str, ArrayLike],
    *,
    way: str | None = None,
    metrics: Sequence[Metric] = METRICS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Measured:
    """Asks the model about every partial input that the metrics need, each of them once, and works out the metrics.

    explanations: by name, weights (units,), the heaviest first to go; negative ones go last. way: how units are taken
    away, the question's first one by default. draws: random orders. The same seed draws the same orders, so that
    explanations that are measured apart are measured beside the same ones.

    Raises:
        SpecError: weights that are not one number a unit, a name that a baseline has, no draws, or no such way.
        MissingExtraError: a metric needs a package that is not installed.
    """
    weighed = _weighed(explanations, len(question.units), draws=draws, seed=seed)
    partial = _Partial(len(question.units))
    plan = [_Plan.of(name, weights, metrics, partial, seed) for name, several in weighed.items() for weights in several]
    way = question.default if way is None else way
    found = np.exp(question.scores(torch.from_numpy(partial.rows()), way).numpy())
    values = {name: {metric.name: 0.0 for metric in metrics} for name in weighed}
    left = {name: np.zeros(len(SHARES)) for name in weighed}
    for one in plan:
        part = 1 / len(weighed[one.name])
        left[one.name] += found[one.gone] * part
        for metric, places in zip(metrics, one.asked, strict=True):
            values[one.name][metric.name] += metric.value(one.weights, float(found[0]), found[places]) * part
    return Measured(
        way=way,
        units=len(question.units),
        whole=float(found[0]),
        values=values,
        left={name: tuple(each.tolist()) for name, each in left.items()},
        drawn=tuple(tuple(found[one.gone].tolist()) for one in plan if one.name == RANDOM),
    )


def _weighed(
    explanations: Mapping[str, ArrayLike], units: int, *, draws: int, seed: int
) -> dict[str, tuple[Floats, ...]]:
    """By name, the weights that are measured, and averaged where they are several."""
    taken = sorted(set(explanations) & set(BASELINES))
    if taken:
        raise SpecError(f"measure: an explanation is called {taken[0]!r}, as a baseline is; give it another name")
    if draws < 1:
        raise SpecError(f"measure: draws={draws}, expected 1 random order at least")
    given = {name: (checked_weights(name, weights, units),) for name, weights in explanations.items()}
    return given | baselines(units, draws=draws, seed=seed)


@dataclass(frozen=True, eq=False)
class _Plan:
    """One order of the units. asked: for each metric the places of its partial inputs; gone: of those without the
    heaviest of `SHARES`."""

    name: str
    weights: Floats
    asked: tuple[Order, ...]
    gone: Order

    @classmethod
    def of(cls, name: str, weights: Floats, metrics: Sequence[Metric], partial: _Partial, seed: int) -> _Plan:
        order = heaviest_first(weights, seed=seed)
        asked = tuple(partial.places(metric.kept(order)) for metric in metrics)
        return cls(name, weights, asked, partial.places(without_first(order, counts(SHARES, len(order)))))


class _Partial:
    """Partial inputs, each of them once; the first is the whole."""

    def __init__(self, units: int) -> None:
        self._places: dict[bytes, int] = {}
        self._rows: list[Rows] = []
        self.places(np.ones((1, units), dtype=np.bool_))

    def places(self, rows: Rows) -> Order:
        """Rows (rows, units) -> their places (rows,) among all."""
        return np.array([self._place(row) for row in rows], dtype=np.int64)

    def rows(self) -> Rows:
        return np.stack(self._rows)

    def _place(self, row: Rows) -> int:
        found = self._places.setdefault(row.tobytes(), len(self._rows))
        if found == len(self._rows):
            self._rows.append(row)
        return found
