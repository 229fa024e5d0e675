"""Rows of several tasks as one part: each batch may hold some of each, in proportion to how many there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from regard.tasks.part import MeasuredPart


@dataclass(frozen=True)
class SeveralBatch:
    """batches: of each task that has rows here, its batch. rows_of: where in this
    batch those rows stand."""

    batches: Mapping[str, Any]
    rows_of: Mapping[str, NDArray[np.int64]]

    def __len__(self) -> int:
        return sum(map(len, self.batches.values()))

    @property
    def tokens(self) -> int:
        return sum(one.tokens for one in self.batches.values())

    @property
    def places(self) -> int:
        return sum(one.places for one in self.batches.values())

    @property
    def inputs(self) -> Mapping[str, Any]:
        """What each task's model is called with."""
        return {name: one.inputs for name, one in self.batches.items()}

    def to(self, device: torch.device) -> SeveralBatch:
        """The same batch on another device."""
        return SeveralBatch({name: one.to(device) for name, one in self.batches.items()}, self.rows_of)


@dataclass(frozen=True)
class SeveralPart:
    """Parts of several tasks, one after the other, by the tasks' names."""

    parts: Mapping[str, MeasuredPart]

    def __len__(self) -> int:
        return sum(map(len, self.parts.values()))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row, (rows,)."""
        return np.concatenate([part.lengths for part in self.parts.values()])

    @property
    def truths(self) -> list[tuple[str, Any]]:
        """Of each row: its task, and what is true of it."""
        return [(name, truth) for name, part in self.parts.items() for truth in part.truths]

    def batch(self, rows: NDArray[np.int64]) -> SeveralBatch:
        """The batch of these rows, in this order."""
        ends = np.cumsum([len(part) for part in self.parts.values()])
        batches, rows_of = {}, {}
        for name, part, end in zip(self.parts, self.parts.values(), ends, strict=True):
            mine = np.flatnonzero((rows >= end - len(part)) & (rows < end))
            if len(mine):
                batches[name], rows_of[name] = part.batch(rows[mine] - (end - len(part))), mine
        return SeveralBatch(batches, rows_of)
