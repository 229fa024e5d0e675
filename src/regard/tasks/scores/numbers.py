"""Scores of numbers that are told: how far off they are, and how much of the spread they explain.

Answers and truths are (rows,) numbers in the same unit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from regard.spec.errors import DataError
from regard.tasks.scores.interval import Floats
from regard.tasks.scores.measure import Measure, Scored, made_of, mean_of, paired


def _absolute(answers: ArrayLike, truths: ArrayLike) -> Scored:
    found, true = _numbers("MAE", answers, truths)
    return mean_of(np.abs(found - true))


def _rooted(answers: ArrayLike, truths: ArrayLike) -> Scored:
    found, true = _numbers("RMSE", answers, truths)
    columns = np.stack([np.square(found - true), np.ones(len(true))], axis=1)
    return made_of(columns, lambda sums: np.sqrt(sums[:, 0] / sums[:, 1]))


def _explained(answers: ArrayLike, truths: ArrayLike) -> Scored:
    found, true = _numbers("R2", answers, truths)
    shifted = true - true.mean()  # the spread does not depend on the level, and less is lost to rounding
    columns = np.stack([np.square(found - true), np.square(shifted), shifted, np.ones(len(true))], axis=1)

    def share(sums: Floats) -> Floats:
        spread = sums[:, 1] - np.square(sums[:, 2]) / sums[:, 3]
        return np.asarray(1 - np.divide(sums[:, 0], spread, out=np.full(len(sums), np.nan), where=spread > 0))

    return made_of(columns, share)


mean_absolute_error = Measure("MAE", _absolute, "lower")
root_mean_square_error = Measure("RMSE", _rooted, "lower")
explained_share = Measure("R2", _explained, "higher")  # 1 - squared errors / squared distances from the rows' own mean


def _numbers(name: str, answers: ArrayLike, truths: ArrayLike) -> tuple[Floats, Floats]:
    found, true = np.asarray(answers, dtype=float), np.asarray(truths, dtype=float)
    if found.ndim != 1 or true.ndim != 1:
        raise DataError(f"{name}: answers {found.shape} and truths {true.shape}, expected (rows,) each")
    paired(name, found, true)
    if not np.isfinite(found).all():
        raise DataError(f"{name}: answer {int(np.argmin(np.isfinite(found)))} (from 0) is NaN or infinite")
    return found, true
