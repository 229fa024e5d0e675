"""Parts that lie in memory, of any kind of rows, and batches of plain tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class TensorBatch:
    """inputs: what the model is called with; targets: what its answers are compared with; tokens and places as in
    `part.Batch`."""

    inputs: tuple[Tensor, ...]
    targets: Tensor
    tokens: int
    places: int

    def __len__(self) -> int:
        return self.targets.shape[0]

    def to(self, device: torch.device) -> TensorBatch:
        """The same batch on another device."""
        inputs = tuple(one.to(device) for one in self.inputs)
        return TensorBatch(inputs, self.targets.to(device), self.tokens, self.places)


@dataclass(frozen=True)
class MemoryPart:
    """Rows in memory: how long each is (rows,), how some of them become a batch, and what is true of each."""

    lengths: NDArray[np.int64]
    collate: Callable[[NDArray[np.int64]], Any]
    truths: Any

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: NDArray[np.int64]) -> Any:
        """The batch of these rows, in this order."""
        return self.collate(rows)
