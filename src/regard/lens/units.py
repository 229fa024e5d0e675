"""What the queries and keys of a model are to a person: tokens, words, patches of an image, frames of a sound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from regard.lens.pieces import is_named
from regard.spec.errors import SpecError
from regard.spec.value import described


@dataclass(frozen=True, eq=False)
class Units:
    """One sequence as a person knows it: a text for each place on a query or key axis, in order.

    texts: what each unit says. kind: "token", "word", "line", "document", "patch", "frame", or a name of your own.
    spans: the characters [start, end) of `source` that each unit covers, or None; (n, n) covers none, as a special
    token does. source: the whole text. grid: (rows, cols) of an image's patches, row by row, after the first
    `special` units, which are no patch (a class token).

    Raises:
        SpecError: spans, source, grid or special that do not fit the texts.
    """

    texts: tuple[str, ...]
    kind: str
    spans: tuple[tuple[int, int], ...] | None = None
    source: str | None = None
    grid: tuple[int, int] | None = None
    special: int = 0

    def __post_init__(self) -> None:
        count = len(self.texts)
        if not all(isinstance(text, str) for text in self.texts):
            wrong = next(text for text in self.texts if not isinstance(text, str))
            raise SpecError(f"a unit's text is {described(wrong)}: expected str; a tokenizer's ids are no texts")
        if self.spans is not None and len(self.spans) != count:
            raise SpecError(f"{len(self.spans)} spans for {count} units: expected one (start, end) a unit")
        if self.spans is not None and self.source is not None:
            _check_spans(self.spans, len(self.source))
        if not 0 <= self.special <= count:
            raise SpecError(f"special={self.special}: expected 0 to {count}, how many leading units are no patch")
        if self.grid is not None and self.grid[0] * self.grid[1] != count - self.special:
            raise SpecError(
                f"grid={self.grid} holds {self.grid[0] * self.grid[1]} patches, but there are {count} units, "
                f"{self.special} of them special: expected {count - self.special}"
            )

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def numbered(cls, count: int, kind: str = "token") -> Units:
        """Units that nothing is known about: "0", "1", ... in order."""
        return cls(tuple(map(str, range(count))), kind)

    @cached_property
    def placed(self) -> tuple[str, ...]:
        """The texts, each that several units have with its place: see `placed`."""
        return placed(self.texts)

    def is_special(self, place: int) -> bool:
        """True for a unit that covers nothing of the input: a class token, `<s>`, `[SEP]`, padding."""
        if place < self.special:
            return True
        if self.spans is not None and self.spans[place][0] == self.spans[place][1]:
            return True
        return self.spans is None and is_named(self.texts[place])


def placed(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts of units in order; one that several of them have with its place among all units, from 1.

    >>> placed(["A", "C", "A"])
    ('A (1st)', 'C', 'A (3rd)')
    """
    times = Counter(texts)
    return tuple(f"{text} ({_nth(at)})" if times[text] > 1 else text for at, text in enumerate(texts, 1))


def _nth(place: int) -> str:
    last = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return f"{place}{last}"


def plural(kind: str) -> str:
    """What several units are called: "word" -> "words", "patch" -> "patches"."""
    return f"{kind}es" if kind.endswith(("s", "x", "ch", "sh")) else f"{kind}s"


def _check_spans(spans: tuple[tuple[int, int], ...], length: int) -> None:
    for place, (start, end) in enumerate(spans):
        if not 0 <= start <= end <= length:
            raise SpecError(
                f"unit {place} has the characters {start} to {end}: expected 0 <= start <= end <= {length}, "
                "the length of the source"
            )
