"""Scores of one class a row: accuracy and macro F1. Answers and truths are class indices, (rows,) integers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, mean_of
from regard.tasks.scores.metric import Metric

Classes = NDArray[np.int64]


def _right(answers: ArrayLike, truths: ArrayLike) -> Scored:
    given, true = _checked(answers, truths)
    return mean_of((given == true).astype(float), share=True)


accuracy = Measure("accuracy", _right)
"""Share of right answers; Wilson's interval where rows are independent."""


def macro_f1_among(classes: int) -> Measure:
    """The mean over classes of F1 = 2 TP / (2 TP + FP + FN), each class counting alike.

    A class that never occurs nor is answered scores 0, as scikit-learn has it with `zero_division=0` where `labels` are
    all that the model knows. The protocol says where the rows are not of all classes: then 1 is out of reach.
    """

    def weigh(answers: ArrayLike, truths: ArrayLike) -> Scored:
        given, true = _checked(answers, truths)
        if min(given.min(), true.min()) < 0 or max(given.max(), true.max()) >= classes:
            raise DataError(f"macro F1: expected classes from 0 to {classes - 1} in answers and truths")
        cells = np.zeros((len(true), 3 * classes))  # of each class: right, were, answered
        rows = np.arange(len(true))
        cells[rows, true] = given == true
        cells[rows, classes + true] = 1
        cells[rows, 2 * classes + given] = 1
        there = len(np.unique(true))
        said = "" if there == classes else f"classes-in-rows:{there} of {classes}|absent:0"
        return made_of(cells, lambda sums: _macro_f1(*np.split(sums, 3, axis=1)), said)

    return Measure("macro F1", weigh)


def macro_f1(
    answers: ArrayLike, truths: ArrayLike, *, classes: int, protocol: str, groups: Sequence[Hashable] | None = None
) -> Metric:
    """Macro F1 among so many classes: see `macro_f1_among`."""
    return macro_f1_among(classes)(answers, truths, protocol=protocol, groups=groups)


def macro_f1_of(matrices: NDArray[Any]) -> Floats:
    """Macro F1 of confusion matrices (..., classes that were, classes answered)."""
    return _macro_f1(np.diagonal(matrices, axis1=-2, axis2=-1), matrices.sum(-1), matrices.sum(-2))


def _macro_f1(right: NDArray[Any], were: NDArray[Any], answered: NDArray[Any]) -> Floats:
    whole = were + answered
    scores: Floats = np.divide(2 * right, whole, out=np.zeros(right.shape), where=whole > 0).mean(-1)
    return scores


def _checked(answers: ArrayLike, truths: ArrayLike) -> tuple[Classes, Classes]:
    given, true = np.asarray(answers), np.asarray(truths)
    if given.shape != true.shape or true.ndim != 1 or not len(true):
        raise DataError(f"answers {given.shape} and targets {true.shape}: expected the same (rows,), rows >= 1")
    return given, true
