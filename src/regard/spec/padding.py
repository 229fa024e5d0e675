"""Padding: batches of sequences of many lengths, filled up to one."""

from __future__ import annotations

import sys
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.drawn import is_drawn
from regard.spec.errors import MaskError
from regard.spec.lengths import WHOLE
from regard.spec.mask import Block, Mask
from regard.spec.place import Place
from regard.spec.value import described


@dataclass(frozen=True, eq=False, repr=False)
class Padding(Mask):
    """Real tokens come first: batch item `b` has `key_lengths[b]` keys and, if given, `query_lengths[b]` queries.

    Both are (batch,) int32 or int64. Queries beyond their length are empty rows.
    """

    key_lengths: Tensor
    query_lengths: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("key_lengths", "query_lengths"):
            lengths = getattr(self, name)
            if lengths is not None and not (
                isinstance(lengths, Tensor) and lengths.dtype in WHOLE and lengths.dim() == 1
            ):
                raise MaskError(
                    f"Padding({name}=...) takes a (batch,) int64 tensor of lengths, got {described(lengths)}"
                )
            if lengths is not None:  # an own copy: `block` keeps the numbers, and callers count lengths up in place
                object.__setattr__(self, name, lengths.detach().clone())

    def check(self, place: Place) -> None:
        if is_drawn():
            return
        _check_lengths("key_lengths", self._keys(), place.batch, place.key_len, "keys")
        if self.query_lengths is not None:
            _check_lengths("query_lengths", self._queries(), place.batch, place.query_len, "queries")

    def extent(self) -> tuple[int, int]:
        return self.key_lengths.shape[0], 1

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        seen = place.keys(cols) < self.key_lengths.to(place.device)[:, None, None, None]
        if self.query_lengths is None:
            return seen
        index = torch.arange(rows.start, rows.stop, device=place.device)[:, None]
        return seen & (index < self.query_lengths.to(place.device)[:, None, None, None])

    def block(self, rows: range, cols: range, place: Place) -> Block:
        keys = self._keys()
        if self.query_lengths is None:
            if cols.start >= max(keys, default=0):
                return Block.NONE
            return Block.ALL if cols.stop <= min(keys) else Block.MIXED
        if all(cols.start >= k or rows.start >= q for k, q in self.lengths()):
            return Block.NONE
        whole = cols.stop <= min(keys) and rows.stop <= min(self._queries())
        return Block.ALL if whole else Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        return range(max(self._keys(), default=0))

    def cuts(self, place: Place) -> tuple[int, ...]:
        return tuple(sorted(set(self._queries())))

    def item(self, batch: int) -> Mask:
        queries = None if self.query_lengths is None else self.query_lengths[batch : batch + 1]
        return Padding(self.key_lengths[batch : batch + 1], queries)

    def lengths(self) -> list[tuple[int, int]]:
        """The real keys and queries of each batch item; where queries have no lengths, more than there can be."""
        queries = [sys.maxsize] * len(self._keys()) if self.query_lengths is None else self._queries()
        return list(zip(self._keys(), queries, strict=True))

    def mark(self) -> Hashable:
        queries = None if self.query_lengths is None else tuple(self._queries())
        return Padding, tuple(self._keys()), queries

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Padding) and self.mark() == other.mark())

    def __hash__(self) -> int:  # by the numbers: batches of one size differ in nothing else
        return hash(self.mark())

    def words(self) -> str:
        return "padding" if self.query_lengths is None else "padding of keys and queries"

    def _keys(self) -> list[int]:
        return self._list("key_lengths")

    def _queries(self) -> list[int]:
        return [] if self.query_lengths is None else self._list("query_lengths")

    def _list(self, name: str) -> list[int]:
        """The lengths as plain numbers, read from the device once."""
        found: list[int] | None = self.__dict__.get(f"_{name}_list")
        if found is None:
            found = [int(n) for n in getattr(self, name).tolist()]
            self.__dict__[f"_{name}_list"] = found
        return found


def _check_lengths(name: str, lengths: list[int], batch: int, limit: int, what: str) -> None:
    if len(lengths) != batch:
        raise MaskError(
            f"Padding: {name} has {len(lengths)} entries but the batch has {batch}: pass one length an item"
        )
    for item, length in enumerate(lengths):
        if not 0 <= length <= limit:
            raise MaskError(
                f"Padding: {name}[{item}] = {length}, but there are {limit} {what}: lengths must lie in 0..{limit}"
            )
