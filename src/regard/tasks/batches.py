"""Encoded texts, and the order in which training sees them.

The order of an epoch is a function of (seed, epoch) alone, so that a run can go on at any step without having kept it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.part import BatchSize, Order, OrderedPart, Part
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

    @property
    def inputs(self) -> tuple[Tensor, Tensor]:
        """What the model is given."""
        return self.ids, self.lengths

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.ids.numel()

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
    def truths(self) -> NDArray[np.int64]:
        """The classes that are right, (rows,)."""
        return self.targets

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
    size: BatchSize
    seed: int
    _counted: dict[int, int] = field(default_factory=dict, repr=False, compare=False)  # epoch -> its batches

    def steps(self, epoch: int) -> int:
        """Batches of that epoch. With a size in tokens it differs from epoch to epoch, by a few."""
        if self.size.tokens is None:
            return -(-len(self.lengths) // self.size.rows)
        if epoch not in self._counted:
            self._counted[epoch] = sum(map(len, self._cuts(np.random.default_rng((self.seed, epoch)))))
        return self._counted[epoch]

    def batches(self, epoch: int, start: int = 0) -> Iterator[NDArray[np.int64]]:
        """The batches of an epoch (from 0), from number `start` on: arrays of row indices."""
        draw = np.random.default_rng((self.seed, epoch))
        batches = [rows for pool in self._cuts(draw) for rows in pool]
        for place in draw.permutation(len(batches))[start:]:
            yield batches[place]

    def _cuts(self, draw: np.random.Generator) -> list[list[NDArray[np.int64]]]:
        """The batches of each pool."""
        rows = draw.permutation(len(self.lengths))
        pool = _POOL * self._rows()
        found = []
        for start in range(0, len(rows), pool):
            part = rows[start : start + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            found.append(_cut(part, self.lengths[part], self.size))
        return found

    def _rows(self) -> int:
        """Rows of a batch, about."""
        if self.size.tokens is None:
            return self.size.rows
        return max(1, min(self.size.rows, int(self.size.tokens / max(self.lengths.mean(), 1))))


def order_of(part: Part | OrderedPart, size: BatchSize, seed: int) -> Order:
    """The order in which training goes through a part: its own, if it brings one."""
    return part.order(size, seed) if isinstance(part, OrderedPart) else BatchOrder(part.lengths, size, seed)


def in_order_of_length(lengths: NDArray[np.int64], rows: int, tokens: int | None = None) -> list[NDArray[np.int64]]:
    """Batches for evaluation: every row once, shortest texts first; `rows` and `tokens` as in `BatchSize`."""
    order = np.argsort(lengths, kind="stable")
    return _cut(order, lengths[order], BatchSize(rows, tokens))


def _cut(rows: NDArray[np.int64], lengths: NDArray[np.int64], size: BatchSize) -> list[NDArray[np.int64]]:
    """Rows sorted by length, cut into batches of that size."""
    if size.tokens is None:
        return [rows[i : i + size.rows] for i in range(0, len(rows), size.rows)]
    cuts, begin = [], 0
    for place, length in enumerate(lengths.tolist()):
        count = place - begin
        if count and (count == size.rows or (count + 1) * length > size.tokens):
            cuts.append(rows[begin:place])
            begin = place
    return [*cuts, rows[begin:]] if len(rows) else []
