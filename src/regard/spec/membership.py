"""Masks that depend on tensors: Padding (lengths), Documents (packed sequences), Dense (any bool tensor)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import MaskError
from regard.spec.lengths import as_lengths
from regard.spec.mask import Block, Mask
from regard.spec.place import Place
from regard.spec.value import described

_WHOLE = (torch.int64, torch.int32)
_SMALL = 1 << 16  # entries of a bool tensor that are copied without a thought


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
                isinstance(lengths, Tensor) and lengths.dtype in _WHOLE and lengths.dim() == 1
            ):
                raise MaskError(
                    f"Padding({name}=...) takes a (batch,) int64 tensor of lengths, got {described(lengths)}"
                )
            if lengths is not None:  # an own copy: `block` keeps the numbers, and callers count lengths up in place
                object.__setattr__(self, name, lengths.detach().clone())

    def check(self, place: Place) -> None:
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
        keys, queries = self._keys(), self._queries() or [place.query_len] * len(self._keys())
        pairs = list(zip(keys, queries, strict=True))
        if all(cols.start >= k or rows.start >= q for k, q in pairs):
            return Block.NONE
        return Block.ALL if all(cols.stop <= k and rows.stop <= q for k, q in pairs) else Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        return range(max(self._keys(), default=0))

    def cuts(self, place: Place) -> tuple[int, ...]:
        return tuple(sorted(set(self._queries())))

    def item(self, batch: int) -> Mask:
        queries = None if self.query_lengths is None else self.query_lengths[batch : batch + 1]
        return Padding(self.key_lengths[batch : batch + 1], queries)

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
            if ids is not None and not (isinstance(ids, Tensor) and ids.dtype in _WHOLE and ids.dim() in (1, 2)):
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
        return max(len(_rows(self.query_ids)), len(_rows(self._keys()))), 1

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
        return self.allowed.numel() <= _SMALL

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


def _rows(ids: Tensor) -> Tensor:
    """(batch or 1, length) ids."""
    return ids if ids.dim() == 2 else ids[None]
