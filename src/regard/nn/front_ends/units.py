"""What each token covers of the input it was made of, so that attention can be shown over the input itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Unit:
    """What one token covers.

    kind: "token", "patch", "frame", "step", "item" or "symbol". bounds: (start, end), or (left, top, right, bottom) of
    a patch, in `measure`s from the start (top left) of the input; ends are not included. part: which of several inputs.
    """

    kind: str
    measure: str
    bounds: tuple[float, ...]
    part: str | None = None

    def words(self) -> str:
        """What it covers on one short line; places are counted from 0.

        >>> Unit("step", "steps", (8.0, 12.0)).words()
        'steps 8 to 11'
        >>> Unit("patch", "pixels", (0.0, 4.0, 4.0, 8.0), "picture").words()
        'picture: pixels 0-4 across, 4-8 down'
        """
        return self._covered() if self.part is None else f"{self.part}: {self._covered()}"

    def _covered(self) -> str:
        if len(self.bounds) == 4:
            left, top, right, bottom = self.bounds
            return f"{self.measure} {left:g}-{right:g} across, {top:g}-{bottom:g} down"
        start, end = self.bounds
        if self.measure == "seconds":
            return f"{start:.2f}-{end:.2f} s"
        return f"{self.kind} {start:g}" if end - start <= 1 else f"{self.measure} {start:g} to {end - 1:g}"


class Units(Protocol):
    """What the tokens of a batch cover."""

    def of(self, item: int, count: int) -> tuple[Unit, ...]:
        """The units of the first `count` tokens of an item of the batch, in order."""
        ...


@dataclass(frozen=True)
class Spans:
    """Tokens along one axis: token i covers [start + i * stride, start + i * stride + width), cut to [0, end).

    ends: where each item of the batch ends, one for all of them, or None where nothing needs cutting. Tokens that lie
    edge to edge (`width == stride`) cover all of it: the first from 0 on, the last to the end.

        >>> [unit.bounds for unit in Spans("step", "steps", stride=2, width=3, ends=(6,)).of(0, 3)]
        [(0, 3), (2, 5), (4, 6)]
    """

    kind: str
    measure: str
    stride: float = 1
    width: float = 1
    start: float = 0
    ends: tuple[float, ...] | None = None

    def of(self, item: int, count: int) -> tuple[Unit, ...]:
        return tuple(Unit(self.kind, self.measure, each) for each in self.bounds(item, count))

    def bounds(self, item: int, count: int) -> tuple[tuple[float, float], ...]:
        """(start, end) of each of an item's first `count` tokens."""
        lower = [self.start + place * self.stride for place in range(count)]
        if self.ends is None:
            return tuple((low, low + self.width) for low in lower)
        end = self.ends[0] if len(self.ends) == 1 else self.ends[item]
        found = [(max(0, low), min(low + self.width, end)) for low in lower]
        if found and self.width == self.stride:
            found[0] = (0, found[0][1])
            if count * self.stride >= end - 1e-9 * self.stride:  # seconds are rounded
                found[-1] = (found[-1][0], end)
        return tuple(found)


@dataclass(frozen=True)
class Grid:
    """Tokens over a picture, row by row: `shape` is (rows, cols), and `down` and `across` say what each covers."""

    shape: tuple[int, int]
    down: Spans
    across: Spans

    def of(self, item: int, count: int) -> tuple[Unit, ...]:
        rows, cols = self.shape
        across = self.across.bounds(item, cols)
        boxes = [(left, top, right, bottom) for top, bottom in self.down.bounds(item, rows) for left, right in across]
        return tuple(Unit(self.down.kind, self.down.measure, box) for box in boxes[:count])


@dataclass(frozen=True)
class Ahead:
    """Tokens of two stretches of one axis: `count` of them before `at`, the others from `at` on."""

    before: Spans
    count: int
    after: Spans
    at: float

    def of(self, item: int, count: int) -> tuple[Unit, ...]:
        first = self.before.of(item, min(count, self.count))
        later = self.after.of(item, max(0, count - self.count))
        moved = (replace(unit, bounds=tuple(edge + self.at for edge in unit.bounds)) for unit in later)
        return (*first, *moved)


@dataclass(frozen=True)
class Parts:
    """Tokens of several inputs, one after the other: `counts` (items of the batch) x (parts) tokens of each."""

    parts: Mapping[str, Units]
    counts: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if any(len(each) != len(self.parts) for each in self.counts):
            raise SpecError(f"Parts: counts of {len(self.parts)} parts were expected, one a part, got {self.counts}")

    def of(self, item: int, count: int) -> tuple[Unit, ...]:
        found = [
            replace(unit, part=name)
            for (name, units), length in zip(self.parts.items(), self.counts[item], strict=True)
            for unit in units.of(item, length)
        ]
        return tuple(found[:count])
