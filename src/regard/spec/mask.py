"""Masks: which keys a query may attend to. True means *may attend*, always.

A mask is a frozen value. It answers two questions about a block of queries and keys: cheaply, whether all, none or some
of it is allowed (`block`), and exactly, which entries are (`tile`). Kernels skip the blocks that answer none and leave
the tile unread where the answer is all. Masks combine with `&`, `|` and `~`.
"""

from __future__ import annotations

import enum
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from regard.spec.errors import MaskError
from regard.spec.place import Place
from regard.spec.value import Value


class Block(enum.Enum):
    """What a mask says about a whole block. ALL and NONE are promises; MIXED promises nothing."""

    ALL = "all"
    NONE = "none"
    MIXED = "mixed"


class Mask(Value):
    """Base of every mask; subclasses are frozen dataclasses that define `tile`, `block`, `words` and maybe `check`."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        """bool, broadcastable to (batch, heads, len(rows), len(cols)); True where the query may attend to the key."""
        raise NotImplementedError

    def block(self, rows: range, cols: range, place: Place) -> Block:
        """ALL, NONE or MIXED for a block with at least one row and one column."""
        raise NotImplementedError

    def words(self) -> str:
        """The mask in a few English words."""
        raise NotImplementedError

    def check(self, place: Place) -> None:
        """Raise `MaskError` if this mask cannot be laid over `place`."""

    def extent(self) -> tuple[int, int]:
        """How many batch items and heads the mask tells apart; 1 where it is the same for all."""
        return 1, 1

    def hull(self, rows: range, place: Place) -> range:
        """Keys outside of which these queries may attend to nothing; all keys where no less is known."""
        return place.cols

    def cuts(self, place: Place) -> tuple[int, ...]:
        """Queries at which the mask's structure changes (a document ends), where blocks had better begin."""
        return ()

    def item(self, batch: int) -> Mask:
        """The mask of one batch item alone."""
        return self

    @property
    def relative(self) -> bool:
        """True where only the distance between query and key counts, so that blocks along a diagonal are alike."""
        return False

    @property
    def solid(self) -> bool:
        """True where no block inside of the hull of its queries is NONE: the hull is all there is to be left out."""
        return False

    @property
    def lasting(self) -> bool:
        """False where the mask holds a large tensor of the caller's, which may change: nothing found in it is kept."""
        return True

    def mark(self) -> Hashable:
        """What tells a lasting mask from every other, in little memory: no tensors, so that memories may hold it."""
        return self

    def __and__(self, other: Mask) -> Mask:
        return Both(self, _mask(other))

    def __or__(self, other: Mask) -> Mask:
        return Either(self, _mask(other))

    def __invert__(self) -> Mask:
        return Not(self)

    def __bool__(self) -> bool:
        raise MaskError(f"a mask ({self.words()}) has no truth value: combine masks with & | ~, not with and, or, not")

    def __repr__(self) -> str:
        return f"<mask: {self.words()}>"

    def dense(self, place: Place) -> Tensor:
        """The whole mask as one bool array, broadcastable to (batch, heads, query_len, key_len). For small sizes."""
        self.check(place)
        return self.tile(place.rows, place.cols, place)

    def picture(
        self,
        query_len: int = 12,
        key_len: int | None = None,
        *,
        query_start: int | None = None,
        batch: int = 0,
        head: int = 0,
    ) -> str:
        """The mask drawn in text for one batch item and head, a line for each query: `■` may attend, `·` may not.

        Raises `MaskError` if the mask does not fit the sizes given.

        `Causal().picture(3)` is

            ■··
            ■■·
            ■■■
        """
        keys = query_len if key_len is None else key_len
        start = keys - query_len if query_start is None else query_start
        if min(query_len, keys, batch, head) < 0:
            raise MaskError(
                f"picture(query_len={query_len}, key_len={keys}, batch={batch}, head={head}): expected nothing below 0"
            )
        batches, heads = self.extent()
        place = Place(max(batches, batch + 1), max(heads, head + 1), query_len, keys, start, torch.device("cpu"))
        allowed = self.dense(place).cpu().expand(place.batch, place.heads, query_len, keys)[batch, head]
        return "\n".join("".join("■" if on else "·" for on in line) for line in allowed.tolist())


@dataclass(frozen=True, eq=False, repr=False)
class _Pair(Mask):
    """What two masks have in common however they are combined."""

    left: Mask
    right: Mask

    def cuts(self, place: Place) -> tuple[int, ...]:
        return tuple(sorted({*self.left.cuts(place), *self.right.cuts(place)}))

    def item(self, batch: int) -> Mask:
        return type(self)(self.left.item(batch), self.right.item(batch))

    def extent(self) -> tuple[int, int]:
        return _larger(self.left, self.right)

    @property
    def relative(self) -> bool:
        return self.left.relative and self.right.relative

    @property
    def lasting(self) -> bool:
        return self.left.lasting and self.right.lasting

    def mark(self) -> Hashable:
        return type(self), self.left.mark(), self.right.mark()

    def check(self, place: Place) -> None:
        self.left.check(place)
        self.right.check(place)


@dataclass(frozen=True, eq=False, repr=False)
class Both(_Pair):
    """`left & right`: allowed where both allow."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return self.left.tile(rows, cols, place) & self.right.tile(rows, cols, place)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        first = self.left.block(rows, cols, place)
        if first is Block.NONE:
            return Block.NONE
        second = self.right.block(rows, cols, place)
        if first is Block.ALL or second is Block.NONE:
            return second
        return Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        one, other = self.left.hull(rows, place), self.right.hull(rows, place)
        start = max(one.start, other.start)
        return range(start, max(start, min(one.stop, other.stop)))

    @property
    def solid(self) -> bool:
        return self.left.solid and self.right.solid

    def words(self) -> str:
        return f"{_inner(self.left)} and {_inner(self.right)}"


@dataclass(frozen=True, eq=False, repr=False)
class Either(_Pair):
    """`left | right`: allowed where at least one allows."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return self.left.tile(rows, cols, place) | self.right.tile(rows, cols, place)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        first = self.left.block(rows, cols, place)
        if first is Block.ALL:
            return Block.ALL
        second = self.right.block(rows, cols, place)
        if first is Block.NONE or second is Block.ALL:
            return second
        return Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        one, other = self.left.hull(rows, place), self.right.hull(rows, place)
        if not one or not other:
            return one or other
        return range(min(one.start, other.start), max(one.stop, other.stop))

    def words(self) -> str:
        return f"{_inner(self.left)} or {_inner(self.right)}"


@dataclass(frozen=True, eq=False, repr=False)
class Not(Mask):
    """`~inner`: allowed where `inner` does not allow."""

    inner: Mask

    _flipped: ClassVar[dict[Block, Block]] = {Block.ALL: Block.NONE, Block.NONE: Block.ALL, Block.MIXED: Block.MIXED}

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return ~self.inner.tile(rows, cols, place)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        return self._flipped[self.inner.block(rows, cols, place)]

    def cuts(self, place: Place) -> tuple[int, ...]:
        return self.inner.cuts(place)

    def item(self, batch: int) -> Mask:
        return Not(self.inner.item(batch))

    def extent(self) -> tuple[int, int]:
        return self.inner.extent()

    @property
    def relative(self) -> bool:
        return self.inner.relative

    @property
    def lasting(self) -> bool:
        return self.inner.lasting

    def mark(self) -> Hashable:
        return Not, self.inner.mark()

    def words(self) -> str:
        return f"not {_inner(self.inner)}"

    def check(self, place: Place) -> None:
        self.inner.check(place)


def _inner(mask: Mask) -> str:
    return f"({mask.words()})" if isinstance(mask, (Both, Either)) else mask.words()


def _mask(other: object) -> Mask:
    if isinstance(other, Mask):
        return other
    hint = "wrap a bool tensor as Dense(tensor)" if isinstance(other, Tensor) else "expected another mask"
    raise MaskError(f"a mask was combined with {type(other).__name__}: {hint}")


def _larger(left: Mask, right: Mask) -> tuple[int, int]:
    (batches, heads), (others, more) = left.extent(), right.extent()
    return max(batches, others), max(heads, more)
