"""What is to be written of rows of any kind, in batches that teach a model to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.pair_part import EDGE_ID
from regard.tasks.vocabulary import PADDING_ID

Given = Callable[[NDArray[np.int64]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class WrittenBatch:
    """given: what the model's front end is called with; inputs (batch, out_len): the edge, then what is to be written;
    targets (batch, out_len): the same, then the edge; written (batch,): symbols of each target, its edge included.
    tokens, places: as in `part.Batch`.

    It has what `tasks.writer` asks of a batch.
    """

    given: tuple[Tensor, ...]
    inputs: Tensor
    targets: Tensor
    written: Tensor
    tokens: int
    places: int

    def __len__(self) -> int:
        return self.targets.shape[0]

    @property
    def scored(self) -> Tensor:
        """(batch, out_len) bool: True on the symbols of targets, False on padding."""
        return torch.arange(self.targets.shape[1], device=self.targets.device) < self.written[:, None]

    def to(self, device: torch.device) -> WrittenBatch:
        """The same batch on another device."""
        given = tuple(one.to(device) for one in self.given)
        inputs, targets, written = (one.to(device) for one in (self.inputs, self.targets, self.written))
        return WrittenBatch(given, inputs, targets, written, tokens=self.tokens, places=self.places)


@dataclass(frozen=True)
class WrittenPart:
    """Rows of one part. read (rows,): tokens that the front end makes of each; given: some rows -> what it is called
    with; targets: the symbols of each row, without edges; truths: the texts, whole."""

    read: NDArray[np.int64]
    given: Given
    targets: Sequence[NDArray[np.int32]]
    truths: Sequence[str]

    def __len__(self) -> int:
        return len(self.read)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens read and symbols written of each row, the edge included (rows,)."""
        return self.read + np.array([len(one) + 1 for one in self.targets], dtype=np.int64)

    def batch(self, rows: NDArray[np.int64]) -> WrittenBatch:
        """The batch of these rows, in this order."""
        inputs, targets, written = edged([self.targets[row] for row in rows])
        read = self.read[rows]
        tokens, places = int(read.sum() + written.sum()), len(rows) * int(read.max()) + targets.numel()
        return WrittenBatch(self.given(rows), inputs, targets, written, tokens, places)


def edged(symbols: Sequence[Any]) -> tuple[Tensor, Tensor, Tensor]:
    """Symbols of several texts -> inputs and targets (rows, longest + 1) int64, padded at the end, and how many symbols
    each target has, its edge included (rows,)."""
    written = np.array([len(one) + 1 for one in symbols], dtype=np.int64)
    inputs = np.full((len(symbols), int(written.max())), PADDING_ID, dtype=np.int64)
    targets = inputs.copy()
    for row, one in enumerate(symbols):
        inputs[row, 0] = targets[row, len(one)] = EDGE_ID
        inputs[row, 1 : len(one) + 1] = targets[row, : len(one)] = one
    return torch.from_numpy(inputs), torch.from_numpy(targets), torch.from_numpy(written)
