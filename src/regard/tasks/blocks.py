"""Long sequences of symbols, cut into blocks of what a model reads at once, each to tell the symbol after each one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.vocabulary import PADDING_ID


@dataclass(frozen=True)
class BlockBatch:
    """ids (batch, len) int64, padded at the end; targets (batch, len): the symbol after each; scored (batch, len) bool:
    those that count, never padding, and every symbol of a text in one block only."""

    ids: Tensor
    targets: Tensor
    scored: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return self.ids.shape[0]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.ids.numel()

    def to(self, device: torch.device) -> BlockBatch:
        """The same batch on another device."""
        return BlockBatch(*(one.to(device) for one in (self.ids, self.targets, self.scored, self.lengths)))


@dataclass(frozen=True)
class Blocks:
    """Block i reads `flat[begins[i]:ends[i]]` and tells `flat[begins[i] + 1:ends[i] + 1]`, of which the first
    `skipped[i]` were told by the block before. truths: what is scored, one a block, as its task has it."""

    flat: NDArray[np.int32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    skipped: NDArray[np.int64]
    truths: Any

    def __len__(self) -> int:
        return len(self.begins)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Symbols that each block reads, (rows,)."""
        return self.ends - self.begins

    def batch(self, rows: NDArray[np.int64]) -> BlockBatch:
        """The batch of these blocks, in this order."""
        lengths = self.lengths[rows]
        shape = (len(rows), int(lengths.max()))
        ids, targets = np.full(shape, PADDING_ID, dtype=np.int64), np.full(shape, PADDING_ID, dtype=np.int64)
        for place, row in enumerate(rows):
            begin, end = self.begins[row], self.ends[row]
            ids[place, : end - begin] = self.flat[begin:end]
            targets[place, : end - begin] = self.flat[begin + 1 : end + 1]
        places = np.arange(shape[1])
        scored = (places >= self.skipped[rows][:, None]) & (places < lengths[:, None])
        return BlockBatch(*map(torch.from_numpy, (ids, targets, scored, lengths)))


@dataclass(frozen=True)
class Cuts:
    """Where the blocks of texts lie in one line of symbols. texts (rows,): the text of each, from 0; first, last
    (rows,): the scored symbols of its text, from 0, the last not included."""

    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    skipped: NDArray[np.int64]
    texts: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]


def cut(lengths: Sequence[int], *, longest: int, stride: int) -> Cuts:
    """Blocks of texts of so many symbols, which lie one after the other, each after one symbol for its start.

    Each block tells up to `stride` symbols that none told before, and reads up to `longest`: with a stride of half of
    that every symbol is told from at least so many before it, save at the start of its text.
    """
    found: list[tuple[int, ...]] = []
    at = 0  # where the text's start symbol lies
    for text, length in enumerate(lengths):
        for first in range(0, length, stride):
            last = min(first + stride, length)
            begin = max(0, last - longest)
            found.append((at + begin, at + last, first - begin, text, first, last))
        at += length + 1
    return Cuts(*np.array(found, dtype=np.int64).reshape(-1, 6).T)


def beginnings(symbols: Sequence[NDArray[np.int32]], *, start: int, longest: int) -> Blocks:
    """One block for each text that is to be gone on with: the start symbol and the text's, or the last `longest` of
    them. Nothing of it is scored."""
    flat = [np.append(np.int32(start), one)[-longest:] for one in symbols]
    ends = np.cumsum([len(one) for one in flat])
    begins = ends - [len(one) for one in flat]
    line = np.append(np.concatenate(flat), np.int32(0))  # one more, which is never told
    return Blocks(line, begins, ends, ends - begins, [range(0)] * len(symbols))
