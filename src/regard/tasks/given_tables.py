"""Tables of numbers that are given in memory: each column is a feature, and NaN says that a cell is empty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.tasks.memory_part import MemoryPart
from regard.tasks.tabular_data import table_part

Numbers = NDArray[np.float32]

_NEVER_VARIES = 1e-7  # of a column's size: what float32 leaves of the deviation of equal numbers


def described_numbers(names: Sequence[str], numbers: Numbers) -> list[dict[str, Any]]:
    """What rows to train on say of each column, numbers (rows, columns): mean and deviation of the cells that are
    there, 0 and 1 where there are none, and whether any is empty. A column that never varies has deviation 1."""
    found = []
    for name, column in zip(names, numbers.T.astype(np.float64), strict=True):
        there = column[~np.isnan(column)]
        mean, deviation = (float(there.mean()), float(there.std())) if len(there) else (0.0, 1.0)
        varies = deviation > _NEVER_VARIES * abs(mean)
        found.append(
            {
                "name": name,
                "kind": "number",
                "missing": len(there) < len(column),
                "mean": mean,
                "deviation": deviation if varies else 1.0,
            }
        )
    return found


def numbers_part(numbers: Numbers, truths: NDArray[Any]) -> MemoryPart:
    """Rows of a table of numbers (rows, columns), NaN where empty; truths (rows,): class indices, or numbers."""
    return table_part(numbers, np.empty((len(numbers), 0), dtype=np.int64), truths)


def told_numbers(truths: NDArray[np.float64]) -> dict[str, float]:
    """The facts of a number that is to be told: its level and spread in the rows to train on, (rows,)."""
    spread = float(truths.std())
    return {"level": float(truths.mean()), "spread": spread if spread > 1e-12 * abs(float(truths.mean())) else 1.0}
