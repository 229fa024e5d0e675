"""Where one call's queries and keys sit: sizes, the absolute position of the first query, and the device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.drawn import Stretch, is_drawn


@dataclass(frozen=True, slots=True)
class Place:
    """Sizes and positions of one call.

    Key `j` sits at position `j`; query `i` sits at position `query_start + i`, which may be negative or lie beyond
    the keys. Masks and biases are functions of a place and a block `rows` x `cols` of it, both plain `range`s.
    """

    batch: int
    heads: int
    query_len: int
    key_len: int
    query_start: int
    device: torch.device

    @property
    def rows(self) -> range:
        """All query indices."""
        return _run(self.query_len)

    @property
    def cols(self) -> range:
        """All key indices."""
        return _run(self.key_len)

    def first(self, rows: range) -> int:
        """The position of the first of these queries."""
        return self.query_start + rows.start

    def last(self, rows: range) -> int:
        """The position of the last of these queries."""
        return self.query_start + rows.stop - 1

    def positions(self, rows: range) -> Tensor:
        """(len(rows), 1) absolute positions of the queries `rows`."""
        first = self.first(rows)
        return torch.arange(first, first + rows.stop - rows.start, device=self.device)[:, None]

    def keys(self, cols: range) -> Tensor:
        """(1, len(cols)) positions of the keys `cols`."""
        return torch.arange(cols.start, cols.stop, device=self.device)[None, :]

    def offsets(self, rows: range, cols: range) -> Tensor:
        """(len(rows), len(cols)): key minus query position; negative means the key is in the past."""
        return self.keys(cols) - self.positions(rows)

    def offset_range(self, rows: range, cols: range) -> tuple[int, int]:
        """Smallest and largest offset in a block that is not empty."""
        return cols.start - self.last(rows), cols.stop - 1 - self.first(rows)


def _run(count: int) -> range:
    """The first `count` indices; where a graph is drawn, of a number that is not known yet."""
    return Stretch(0, count) if is_drawn() else range(count)  # type: ignore[return-value]
