"""Encoded texts, and the order in which training sees them.

The order of an epoch is a function of (seed, epoch) alone, so that a run can go on at any step without having kept it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.vocabulary import PADDING_ID

_POOL = 50  # batches whose rows are sorted together by length: enough for little padding, few enough to stay mixed


@dataclass(frozen=True)
class TextBatch:
    """ids (batch, len) int64, padded at the end; lengths (batch,) int64; targets (batch,) int64, class indices."""

    ids: Tensor
    lengths: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.targets.shape[0]

    def to(self, device: torch.device) -> TextBatch:
        """The same batch on another device; `lengths` stay where packing wants them, on the CPU copy's device."""
        return TextBatch(self.ids.to(device), self.lengths.to(device), self.targets.to(device))


@dataclass(frozen=True)
class TextPart:
    """Texts of one part, encoded, one after the other: text i is `flat[starts[i]:starts[i + 1]]`."""

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, (rows,)."""
        return np.diff(self.starts)

    def batch(self, rows: NDArray[np.int64]) -> TextBatch:
        """The batch of these rows, in this order."""
        lengths = self.lengths[rows]
        ids = np.full((len(rows), int(lengths.max())), PADDING_ID, dtype=np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = self.flat[self.starts[row] : self.starts[row + 1]]
        return TextBatch(torch.from_numpy(ids), torch.from_numpy(lengths), torch.from_numpy(self.targets[rows]))


def encoded(ids: Sequence[Sequence[int]], targets: Sequence[int]) -> TextPart:
    """One part from token ids and class indices, one of each a text."""
    starts = np.zeros(len(ids) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in ids], out=starts[1:])
    flat = np.fromiter((token for text in ids for token in text), dtype=np.int32, count=int(starts[-1]))
    return TextPart(flat, starts, np.asarray(targets, dtype=np.int64))


@dataclass(frozen=True)
class BatchOrder:
    """Which rows make up each batch of each epoch. Every row occurs once an epoch; the last batch may be smaller.

    Rows are shuffled, sorted by length inside pools of 50 batches (little padding), cut into batches, and the batches
    shuffled: all of it drawn from a generator that is seeded with (seed, epoch).
    """

    lengths: NDArray[np.int64]
    batch: int
    seed: int

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch)

    def epoch(self, number: int) -> list[NDArray[np.int64]]:
        """The batches of epoch `number` (from 0): arrays of row indices."""
        draw = np.random.default_rng((self.seed, number))
        rows = draw.permutation(len(self.lengths))
        pool = _POOL * self.batch
        batches: list[NDArray[np.int64]] = []
        for start in range(0, len(rows), pool):
            part = rows[start : start + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [part[i : i + self.batch] for i in range(0, len(part), self.batch)]
        return [batches[i] for i in draw.permutation(len(batches))]


def in_order_of_length(lengths: NDArray[np.int64], batch: int) -> list[NDArray[np.int64]]:
    """Batches for evaluation: every row once, shortest texts first."""
    rows = np.argsort(lengths, kind="stable")
    return [rows[i : i + batch] for i in range(0, len(rows), batch)]
