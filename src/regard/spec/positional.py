"""Masks that depend on positions alone: Causal, Window, Sinks, Prefix, Dilated, Grid2D."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from regard.spec.errors import MaskError
from regard.spec.mask import Block, Mask
from regard.spec.place import Place
from regard.spec.value import described


def _interval(low: int, high: int, first: int, last: int) -> Block:
    """Where the values `low..high` of a block lie as to the allowed `first..last`, all ends included."""
    if low >= first and high <= last:
        return Block.ALL
    return Block.NONE if high < first or low > last else Block.MIXED


def _keys(first: int, last: int, place: Place) -> range:
    """The keys at positions `first..last`, both included, as far as there are any."""
    start = min(max(first, 0), place.key_len)
    return range(start, max(start, min(last + 1, place.key_len)))


def _count(name: str, field: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise MaskError(f"{name}({field}={described(value)}): {field} must be a whole number >= {least}")


@dataclass(frozen=True, eq=False, repr=False)
class Causal(Mask):
    """A query attends to the keys up to its own position: `key <= position`."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return place.offsets(rows, cols) <= 0

    def block(self, rows: range, cols: range, place: Place) -> Block:
        low, high = place.offset_range(rows, cols)
        return Block.ALL if high <= 0 else Block.NONE if low > 0 else Block.MIXED

    @property
    def relative(self) -> bool:
        return True

    def hull(self, rows: range, place: Place) -> range:
        return _keys(0, place.last(rows), place)

    @property
    def solid(self) -> bool:
        return True

    def words(self) -> str:
        return "causal"


@dataclass(frozen=True, eq=False, repr=False)
class Window(Mask):
    """Keys from `position - before` to `position + after`, both ends included; the query's own key always counts.

    A model with "sliding window w" in its configuration (w keys, self included, none ahead) is `Window(w - 1, 0)`.
    """

    before: int
    after: int

    def __post_init__(self) -> None:
        _count("Window", "before", self.before, 0)
        _count("Window", "after", self.after, 0)

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        offsets = place.offsets(rows, cols)
        return (offsets >= -self.before) & (offsets <= self.after)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        return _interval(*place.offset_range(rows, cols), -self.before, self.after)

    @property
    def relative(self) -> bool:
        return True

    def hull(self, rows: range, place: Place) -> range:
        return _keys(place.first(rows) - self.before, place.last(rows) + self.after, place)

    @property
    def solid(self) -> bool:
        return True

    def words(self) -> str:
        return f"window of {self.before} before and {self.after} after"


@dataclass(frozen=True, eq=False, repr=False)
class Sinks(Mask):
    """The first `n` keys, never ahead of the query: `key < n and key <= position`.

    Meant to be joined to a window, `Window(255, 0) | Sinks(4)`, which then stays causal (StreamingLLM, arXiv
    2309.17453). For first keys that every query sees, also those before them, use `Prefix`.
    """

    n: int

    def __post_init__(self) -> None:
        _count("Sinks", "n", self.n, 0)

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return (place.keys(cols) < self.n) & (place.offsets(rows, cols) <= 0)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        low, high = place.offset_range(rows, cols)
        if cols.start >= self.n or low > 0:
            return Block.NONE
        return Block.ALL if cols.stop <= self.n and high <= 0 else Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        return _keys(0, min(self.n - 1, place.last(rows)), place)

    @property
    def solid(self) -> bool:
        return True

    def words(self) -> str:
        return f"the first {self.n} keys that are not ahead"


@dataclass(frozen=True, eq=False, repr=False)
class Prefix(Mask):
    """The first `n` keys for every query, wherever it sits: `key < n`. `Causal() | Prefix(n)` is a prefix LM."""

    n: int

    def __post_init__(self) -> None:
        _count("Prefix", "n", self.n, 0)

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return (place.keys(cols) < self.n).expand(rows.stop - rows.start, cols.stop - cols.start)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        return _interval(cols.start, cols.stop - 1, 0, self.n - 1)

    def hull(self, rows: range, place: Place) -> range:
        return _keys(0, self.n - 1, place)

    @property
    def solid(self) -> bool:
        return True

    def words(self) -> str:
        return f"the first {self.n} keys"


@dataclass(frozen=True, eq=False, repr=False)
class Dilated(Mask):
    """Every `step`-th key around the query, from `position - before` to `position + after` (both in keys, included)."""

    step: int
    before: int
    after: int = 0

    def __post_init__(self) -> None:
        _count("Dilated", "step", self.step, 1)
        _count("Dilated", "before", self.before, 0)
        _count("Dilated", "after", self.after, 0)

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        offsets = place.offsets(rows, cols)
        return (offsets >= -self.before) & (offsets <= self.after) & (offsets % self.step == 0)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        low, high = place.offset_range(rows, cols)
        near, far = max(low, -self.before), min(high, self.after)
        if near > far or (near // self.step == far // self.step and near % self.step):
            return Block.NONE  # out of reach, or no multiple of `step` within reach
        whole = (near, far) == (low, high) and (self.step == 1 or low == high)
        return Block.ALL if whole else Block.MIXED

    @property
    def relative(self) -> bool:
        return True

    def hull(self, rows: range, place: Place) -> range:
        return _keys(place.first(rows) - self.before, place.last(rows) + self.after, place)

    def words(self) -> str:
        return f"one key in {self.step} of {self.before} before and {self.after} after"


@dataclass(frozen=True, eq=False, repr=False)
class Grid2D(Mask):
    """Neighbourhoods in an image: tokens lie row by row on a `height` x `width` grid, and a query attends to the keys
    at most `reach` rows and at most `reach` columns away (a square of side 2 * reach + 1, cut at the border)."""

    height: int
    width: int
    reach: int

    def __post_init__(self) -> None:
        _count("Grid2D", "height", self.height, 1)
        _count("Grid2D", "width", self.width, 1)
        _count("Grid2D", "reach", self.reach, 0)

    def check(self, place: Place) -> None:
        cells = self.height * self.width
        last = place.query_start + place.query_len
        if place.key_len != cells or place.query_start < 0 or last > cells:
            raise MaskError(
                f"Grid2D(height={self.height}, width={self.width}) has {cells} cells, but there are "
                f"{place.key_len} keys and queries at positions {place.query_start} to {last - 1}: "
                "pass one key a cell, queries on the grid"
            )

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        queries, keys = place.positions(rows), place.keys(cols)
        near_rows = (queries // self.width - keys // self.width).abs() <= self.reach
        return near_rows & ((queries % self.width - keys % self.width).abs() <= self.reach)

    def block(self, rows: range, cols: range, place: Place) -> Block:
        first, last = place.query_start + rows.start, place.query_start + rows.stop - 1
        low = cols.start // self.width - last // self.width
        high = (cols.stop - 1) // self.width - first // self.width
        near = _interval(low, high, -self.reach, self.reach)
        return near if near is Block.NONE or self.reach >= self.width - 1 else Block.MIXED

    def hull(self, rows: range, place: Place) -> range:
        top = place.first(rows) // self.width - self.reach
        return _keys(top * self.width, (place.last(rows) // self.width + self.reach + 1) * self.width - 1, place)

    def words(self) -> str:
        return f"within {self.reach} cells on a {self.height} x {self.width} grid"
