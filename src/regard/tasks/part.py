"""What the training loop asks of data: rows that become batches, and the order in which it goes through them.

Two kinds of part fit the same loop. A part in memory says how long each of its rows is, and the loop makes the order
(`tasks.batches.BatchOrder`). A part that is larger than memory, read lazily, brings its own order, and nothing of the
size of the data is ever held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray

from regard.spec.errors import SpecError

Indices = NDArray[np.int64]


class Batch(Protocol):
    """Rows that go through the model together, padded to one length."""

    def __len__(self) -> int: ...  # rows
    @property
    def tokens(self) -> int: ...  # without padding, over all rows
    @property
    def places(self) -> int: ...  # with padding: what the model computes
    def to(self, device: torch.device) -> Any: ...


@dataclass(frozen=True)
class BatchSize:
    """How much goes into one step, over all processes.

    rows: so many rows; or, where `tokens` is given, as many rows as keep rows x longest row <= tokens (one row always
    goes, however long), and never more than that many rows where `rows` is smaller.
    """

    rows: int
    tokens: int | None = None

    def __post_init__(self) -> None:
        if self.rows < 1 or (self.tokens is not None and self.tokens < 1):
            raise SpecError(f"a batch of {self.rows} rows and {self.tokens} tokens, expected at least 1 of each")


class Order(Protocol):
    """Which rows make up each batch of each epoch (from 0), every row once an epoch.

    A function of the seed and the epoch alone: asked twice, from whatever `start`, it gives the same batches. That is
    what lets a run that was killed go on at any step.
    """

    def steps(self, epoch: int) -> int: ...  # batches of that epoch; cheap, or kept once counted
    def batches(self, epoch: int, start: int = 0) -> Iterator[Indices]: ...  # from batch number `start` on


class Part(Protocol):
    """Encoded rows: training, validation or test."""

    def __len__(self) -> int: ...  # rows
    @property
    def lengths(self) -> Indices: ...  # tokens of each row, (rows,); what batches are sorted by
    def batch(self, rows: Indices) -> Any: ...  # a Batch of these rows, in this order


class MeasuredPart(Part, Protocol):
    """A part whose answers are scored: validation and test. It fits into memory."""

    @property
    def truths(self) -> Any: ...  # a sequence or an array: what `Task.measure` compares the answers with, one a row


@runtime_checkable
class OrderedPart(Protocol):
    """A training part that brings its own order, because it is too large for one over all rows.

    `order` may shuffle in chunks: `batch` has to be fast only for rows near those that were asked for last, in the
    order's own sequence. The loop asks for neither lengths nor truths, and holds one batch at a time.
    """

    def __len__(self) -> int: ...
    def batch(self, rows: Indices) -> Any: ...
    def order(self, size: BatchSize, seed: int) -> Order: ...
