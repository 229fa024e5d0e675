"""What a model looked at in one row, in units that fit the data: words, patches, moments, steps, items, bases."""

from __future__ import annotations

from dataclasses import dataclass

from regard.spec.errors import SpecError


@dataclass(frozen=True, slots=True)
class Weighed:
    """One unit and its share of the attention. name: what a person would call it: a word, "row 3, column 5", "0.4 to
    0.6 s"."""

    name: str
    weight: float


@dataclass(frozen=True)
class Alignment:
    """Of an answer that was written piece by piece: the pieces, and where each looked. weights: for each piece, a share
    of every unit, 1 in all. kind: what one piece is called."""

    written: tuple[str, ...]
    weights: tuple[tuple[float, ...], ...]
    kind: str = "word"

    def __post_init__(self) -> None:
        if len(self.written) != len(self.weights) or len({len(row) for row in self.weights}) > 1:
            raise SpecError(
                f"Alignment: {len(self.written)} pieces and {len(self.weights)} rows of weights, expected one row of "
                "one length for each"
            )


@dataclass(frozen=True)
class Picture:
    """A picture as the model saw it, a PNG, in `rows` x `columns` patches: of the units, those from `first` on, row by
    row."""

    png: bytes
    rows: int
    columns: int
    first: int = 0

    @property
    def patches(self) -> slice:
        """Which of the units are its patches."""
        return slice(self.first, self.first + self.rows * self.columns)


@dataclass(frozen=True)
class Explained:
    """Where one row's answer came from, as far as attention tells.

    answer: in words. units: all of them, in order; their weights are 1 in all. kind: what one is called ("word",
    "patch"). how: whose weights they are ("the pooling's weights, mean over heads").
    """

    answer: str
    units: tuple[Weighed, ...]
    kind: str
    how: str
    alignment: Alignment | None = None
    picture: Picture | None = None

    def heaviest(self, count: int) -> tuple[Weighed, ...]:
        """The units with most weight, most first; of equal ones the earlier first."""
        return tuple(sorted(self.units, key=lambda unit: -unit.weight)[:count])
