"""Masks that depend on tensors: Documents (packed sequences), Dense (any bool tensor)."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.drawn import is_drawn
from regard.spec.errors import MaskError
from regard.spec.lengths import WHOLE, as_lengths
from regard.spec.mask import Block, Mask
from regard.spec.place import Place
from regard.spec.value import described, digest

_SMALL = 1 << 16  # entries of a bool tensor that are copied without a thought


@dataclass(frozen=True, eq=False, repr=False)
class Documents(Mask):
    """Packed sequences: a query attends to the keys that carry its own document id.

    `query_ids` is (query_len,) or (batch, query_len), `key_ids` likewise; int32 or int64; `key_ids` defaults to
    `query_ids` (self-attention).
    """

    query_ids: Tensor
    key_ids: Tensor | None = None

    def __post_init__(self) -> None:
        for name in ("query_ids", "key_ids"):
            ids = getattr(self, name)
            if ids is not None and not (isinstance(ids, Tensor) and ids.dtype in WHOLE and ids.dim() in (1, 2)):
                raise MaskError(
                    f"Documents({name}=...) takes (length,) or (batch, length) int64 ids, got {described(ids)}"
                )
            if ids is not None:  # an own copy: `hull` keeps the numbers
                object.__setattr__(self, name, ids.detach().clone())

    @classmethod
    def packed(cls, lengths: Tensor | Sequence[int], key_lengths: Tensor | Sequence[int] | None = None) -> Documents:
        """Sequences laid end to end, by how many queries (and keys, where they differ) each has: `packed([2, 1])`
        is `Documents(tensor([0, 0, 1]))`. That they sum to the queries and keys of a call is seen when it is made."""
        given = [as_lengths("Documents.packed(lengths)", lengths)]
        if key_lengths is not None:
            given.append(as_lengths("Documents.packed(key_lengths)", key_lengths))
        if len({len(each) for each in given}) > 1:
            raise MaskError(f"Documents.packed: {len(given[0])} lengths but {len(given[1])} key_lengths: pass as many")
        return cls(*(torch.arange(len(each), device=each.device).repeat_interleave(each) for each in given))

    def check(self, place: Place) -> None:
        key_name = "key_ids" if self.key_ids is not None else "key_ids (by default query_ids)"
        for name, ids, length, what, packed in (
            ("query_ids", self.query_ids, place.query_len, "query", "lengths"),
            (key_name, self._keys(), place.key_len, "key", "key_lengths"),
        ):
            if tuple(ids.shape) not in ((length,), (1, length), (place.batch, length)):
                raise MaskError(
                    f"Documents: {name} has shape {tuple(ids.shape)}; expected ({length},) or "
                    f"({place.batch}, {length}): pass one id a {what} "
                    f"(with Documents.packed: {packed} that add up to {length})"
                )

    def extent(self) -> tuple[int, int]:
        kept: int | None = self.__dict__.get("_items")  # asked for by every block
        if kept is None:
            kept = self.__dict__["_items"] = max(len(_rows(self.query_ids)), len(_rows(self._keys())))
        return kept, 1

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        queries, keys = self._slices(rows, cols, place)
        return (queries[:, :, None] == keys[:, None, :])[:, None]

    def block(self, rows: range, cols: range, place: Place) -> Block:
        ends = self._ends(rows, cols)
        if ends is not None:
            low_query, high_query, low_key, high_key = ends
            if high_query < low_key or high_key < low_query:
                return Block.NONE
            return Block.ALL if low_query == high_query == low_key == high_key else Block.MIXED
        queries, keys = self._slices(rows, cols, place)
        low_q, high_q = queries.amin(-1), queries.amax(-1)
        low_k, high_k = keys.amin(-1), keys.amax(-1)
        if bool(((high_q < low_k) | (high_k < low_q)).all()):
            return Block.NONE
        one = (low_q == high_q) & (low_k == high_k) & (low_q == low_k)
        return Block.ALL if bool(one.all()) else Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        if self.extent()[0] != 1:
            return place.cols
        ids, spans = self._index()
        found = [spans[each] for each in set(ids[rows.start : rows.stop]) if each in spans]
        return range(min(f[0] for f in found), max(f[1] for f in found) + 1) if found else range(0)

    def cuts(self, place: Place) -> tuple[int, ...]:
        if self.extent()[0] != 1:
            return ()
        ids = _rows(self.query_ids)[0]
        return tuple(((ids[1:] != ids[:-1]).nonzero()[:, 0] + 1).tolist())

    def item(self, batch: int) -> Mask:
        queries, keys = _rows(self.query_ids), None if self.key_ids is None else _rows(self.key_ids)
        own = queries[batch if len(queries) > 1 else 0]
        return Documents(own, None if keys is None else keys[batch if len(keys) > 1 else 0])

    def mark(self) -> Hashable:
        kept: Hashable = self.__dict__.get("_mark")
        if kept is None:
            parts = [(tuple(t.shape), t.dtype, digest(t)) for t in self.tensors()]
            kept = self.__dict__["_mark"] = (Documents, *parts)
        return kept

    def __hash__(self) -> int:  # by what is in them: packed rows of one length differ in nothing else
        return hash(self.mark())

    __eq__ = Mask.__eq__  # which a class that has a hash of its own would be without

    def words(self) -> str:
        return "own document"

    def _ends(self, rows: range, cols: range) -> tuple[int, int, int, int] | None:
        """Smallest and largest id of these queries and of these keys, where they lie in ascending order."""
        if self.extent()[0] != 1:
            return None
        if "_ascending" not in self.__dict__:
            queries, keys = _rows(self.query_ids)[0], _rows(self._keys())[0]
            rising = all(bool((ids[1:] >= ids[:-1]).all()) for ids in (queries, keys))
            self.__dict__["_ascending"] = (queries.tolist(), keys.tolist()) if rising else None
        kept: tuple[list[int], list[int]] | None = self.__dict__["_ascending"]
        if kept is None:
            return None
        queries_ids, key_ids = kept
        return queries_ids[rows.start], queries_ids[rows.stop - 1], key_ids[cols.start], key_ids[cols.stop - 1]

    def _index(self) -> tuple[list[int], dict[int, tuple[int, int]]]:
        """The queries' ids, and the first and last key of each id; looked up once, for ids that all items share."""
        kept: tuple[list[int], dict[int, tuple[int, int]]] | None = self.__dict__.get("_indexed")
        if kept is None:
            keys = _rows(self._keys())[0]
            ids, where = torch.unique(keys, return_inverse=True)
            places = torch.arange(len(keys), device=keys.device)
            first = torch.full_like(ids, len(keys), dtype=torch.int64).scatter_reduce_(0, where, places, "amin")
            last = torch.zeros_like(first).scatter_reduce_(0, where, places, "amax")
            spans = dict(zip(ids.tolist(), zip(first.tolist(), last.tolist(), strict=True), strict=True))
            kept = self.__dict__["_indexed"] = (_rows(self.query_ids)[0].tolist(), spans)
        return kept

    def _keys(self) -> Tensor:
        return self.query_ids if self.key_ids is None else self.key_ids

    def _slices(self, rows: range, cols: range, place: Place) -> tuple[Tensor, Tensor]:
        """(batch or 1, len(rows)) and (batch or 1, len(cols)) ids."""
        queries, keys = _rows(self.query_ids.to(place.device)), _rows(self._keys().to(place.device))
        return queries[:, rows.start : rows.stop], keys[:, cols.start : cols.stop]


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Mask):
    """Any bool tensor of shape (query_len, key_len) or broadcastable (batch, heads, query_len, key_len)."""

    allowed: Tensor

    def __post_init__(self) -> None:
        if not isinstance(self.allowed, Tensor) or self.allowed.dtype != torch.bool:
            raise MaskError(
                f"a mask must be a bool tensor in which True means may attend, got {described(self.allowed)}; "
                "if 1 means may attend use mask.bool(), if 1 means ignore use ~mask.bool(); "
                "numbers to be added to the scores go in bias="
            )
        if self.allowed.dim() not in (2, 4):
            raise MaskError(
                f"a dense mask has shape {tuple(self.allowed.shape)}; expected (query_len, key_len) or "
                "(batch, heads, query_len, key_len), with 1 where it repeats"
            )
        if self.lasting:  # an own copy: what is found in it may be kept
            object.__setattr__(self, "allowed", self.allowed.detach().clone())

    @property
    def lasting(self) -> bool:
        return not is_drawn() and self.allowed.numel() <= _SMALL

    def check(self, place: Place) -> None:
        sizes = (place.batch, place.heads, place.query_len, place.key_len)[-self.allowed.dim() :]
        if any(have not in (1, want) for have, want in zip(self.allowed.shape, sizes, strict=True)):
            raise MaskError(
                f"a dense mask has shape {tuple(self.allowed.shape)}, which does not broadcast to {sizes}: "
                "expected those sizes, or 1 where it repeats"
            )

    def extent(self) -> tuple[int, int]:
        return (1, 1) if self.allowed.dim() == 2 else (self.allowed.shape[0], self.allowed.shape[1])

    def item(self, batch: int) -> Mask:
        return Dense(self.allowed[batch : batch + 1]) if self.extent()[0] > 1 else self

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        allowed = self.allowed.to(place.device)
        if allowed.shape[-2] > 1:
            allowed = allowed[..., rows.start : rows.stop, :]
        if allowed.shape[-1] > 1:
            allowed = allowed[..., cols.start : cols.stop]
        return allowed

    def block(self, rows: range, cols: range, place: Place) -> Block:
        shown = self.tile(rows, cols, place)
        if bool(shown.all()):
            return Block.ALL
        return Block.MIXED if bool(shown.any()) else Block.NONE

    def mark(self) -> Hashable:
        if not self.lasting:
            return self.words()
        kept: Hashable = self.__dict__.get("_mark")
        if kept is None:
            kept = self.__dict__["_mark"] = (Dense, tuple(self.allowed.shape), digest(self.allowed))
        return kept

    def __hash__(self) -> int:  # by what is in it: masks of one batch after another differ in nothing else
        return hash(self.mark())

    __eq__ = Mask.__eq__  # which a class that has a hash of its own would be without

    def words(self) -> str:
        return f"dense {tuple(self.allowed.shape)}"


def as_mask(given: object) -> Mask | None:
    """`mask=` as a user may give it: None, a mask, or a bool tensor."""
    if given is None or isinstance(given, Mask):
        return given
    if isinstance(given, Tensor):
        return Dense(given)
    raise MaskError(
        f"mask={described(given)}: expected None, a mask such as Causal(), or a bool tensor (True means may attend)"
    )


def _rows(ids: Tensor) -> Tensor:
    """(batch or 1, length) ids."""
    return ids if ids.dim() == 2 else ids[None]
