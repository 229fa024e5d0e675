"""Intersection over union of masks: which pixels were found. Answers and truths: one (height, width) array a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, mean_of, paired

Masks = Sequence[NDArray[Any]]


def _foreground(answers: Masks, truths: Masks) -> Scored:
    values = np.empty(paired("IoU", answers, truths))
    for row, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
        _check("IoU", row, answer, truth)
        found, there = answer != 0, truth != 0
        union = np.count_nonzero(found | there)
        values[row] = np.count_nonzero(found & there) / union if union else 1.0
    return mean_of(values)


mask_iou = Measure("mask IoU", _foreground, said="foreground|empty-and-empty:1")
"""Mean over rows of the IoU of what is not background (0); 1 where nothing is there and nothing was found."""


def mean_iou(classes: int) -> Measure:
    """IoU of each class over the pixels of all rows together, then the mean over classes (Everingham et al. 2010).

    Values are class indices, background (0) being one. A class that neither occurs nor is answered is left out.
    """

    def weigh(answers: Masks, truths: Masks) -> Scored:
        columns = np.zeros((paired("mean IoU", answers, truths), 2 * classes))
        for row, (answer, truth) in enumerate(zip(answers, truths, strict=True)):
            _check("mean IoU", row, answer, truth)
            cells, found = (np.bincount(one, minlength=classes) for one in _numbers(row, answer, truth, classes))
            both = np.bincount(truth[answer == truth].astype(np.int64), minlength=classes)
            columns[row] = np.concatenate([both, cells + found - both])
        return made_of(columns, _mean_over_classes)

    return Measure("mean IoU", weigh, said=f"classes:{classes}|absent:left-out")


def _numbers(row: int, answer: NDArray[Any], truth: NDArray[Any], classes: int) -> Iterator[NDArray[np.int64]]:
    """The classes of the truth's pixels, and of the answer's."""
    for mask in (truth, answer):
        if mask.size and not 0 <= mask.min() <= mask.max() < classes:
            raise DataError(
                f"mean IoU: row {row} (from 0) has classes {mask.min()} to {mask.max()}, expected 0 to {classes - 1}"
            )
        yield mask.ravel().astype(np.int64)


def _mean_over_classes(sums: Floats) -> Floats:
    both, either = np.split(sums, 2, axis=1)
    there = either > 0
    shares = np.divide(both, either, out=np.zeros_like(both), where=there)
    mean: Floats = shares.sum(1) / there.sum(1)
    return mean


def _check(name: str, row: int, answer: NDArray[Any], truth: NDArray[Any]) -> None:
    if answer.shape != truth.shape or truth.ndim != 2:
        raise DataError(
            f"{name}: answer {row} (from 0) is {answer.shape} and its truth {truth.shape}, expected the same (height, "
            "width); answer in the picture's own size"
        )
