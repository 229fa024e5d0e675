"""Encoded pairs of texts: what is read, and what is to be written, in batches that teach a model to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.tasks.text_symbols import START_ID
from regard.tasks.vocabulary import PADDING_ID

EDGE_ID = START_ID  # one sign marks both edges of what is written: before the first symbol, and after the last


@dataclass(frozen=True)
class PairBatch:
    """source (batch, source_len) int64, padded at the end; lengths (batch,); inputs (batch, out_len): the edge, then
    what is to be written; targets (batch, out_len): the same, then the edge; written (batch,): symbols of each target,
    its edge included."""

    source: Tensor
    lengths: Tensor
    inputs: Tensor
    targets: Tensor
    written: Tensor

    def __len__(self) -> int:
        return self.source.shape[0]

    @property
    def given(self) -> tuple[Tensor, Tensor]:
        """What a model's front end is called with."""
        return self.source, self.lengths

    @property
    def scored(self) -> Tensor:
        """(batch, out_len) bool: True on the symbols of targets, False on padding."""
        return torch.arange(self.targets.shape[1], device=self.targets.device) < self.written[:, None]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum()) + int(self.written.sum())

    @property
    def places(self) -> int:
        return self.source.numel() + self.targets.numel()

    def to(self, device: torch.device) -> PairBatch:
        """The same batch on another device."""
        held = self.source, self.lengths, self.inputs, self.targets, self.written
        return PairBatch(*(one.to(device) for one in held))


@dataclass(frozen=True)
class PairPart:
    """Pairs of one part. sources, targets: the symbols of each, without edges. truths: the targets as texts, whole."""

    sources: Sequence[NDArray[np.int32]]
    targets: Sequence[NDArray[np.int32]]
    truths: Sequence[str]

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Symbols of each pair's longer side, a target's edge included (rows,): rows of about one such length need
        little padding on either side, where the sum of both would mix short with long."""
        both = zip(self.sources, self.targets, strict=True)
        return np.array([max(len(source), len(target) + 1) for source, target in both], dtype=np.int64)

    def batch(self, rows: NDArray[np.int64]) -> PairBatch:
        """The batch of these pairs, in this order."""
        edge = np.array([EDGE_ID], dtype=np.int32)
        targets = [self.targets[row] for row in rows]
        source, lengths = _padded([self.sources[row] for row in rows])
        inputs, _ = _padded([np.concatenate((edge, one)) for one in targets])
        told, written = _padded([np.concatenate((one, edge)) for one in targets])
        return PairBatch(source, lengths, inputs, told, written)


def _padded(rows: Sequence[NDArray[np.int32]]) -> tuple[Tensor, Tensor]:
    """(rows, longest) int64 ids, padded at the end, and (rows,) lengths."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    ids = np.full((len(rows), int(lengths.max())), PADDING_ID, dtype=np.int64)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = row
    return torch.from_numpy(ids), torch.from_numpy(lengths)
