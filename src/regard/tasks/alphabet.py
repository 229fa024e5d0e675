"""Symbols of any alphabet (bases, notes) as numbers, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.readers.symbols import Sequence as Row
from regard.tasks.readers.symbols import alphabet_of, symbols_of
from regard.tasks.task import Setup
from regard.tasks.text_symbols import START, START_ID
from regard.tasks.vocabulary import PADDING, UNKNOWN, UNKNOWN_ID

FIRST = START_ID + 1  # the first id that is a symbol: before it stand padding, <unknown> and <start>
_SIGNS = (PADDING, UNKNOWN, START)


@dataclass(frozen=True)
class Alphabet:
    """names: the symbols there are; the first of them has the id `FIRST`. words: whether a space parts them where they
    are written one after the other."""

    names: tuple[str, ...]
    words: bool

    def __len__(self) -> int:
        return FIRST + len(self.names)

    @property
    def facts(self) -> dict[str, Any]:
        """What a run keeps of it."""
        return {"symbols": list(self.names), "words": self.words, "vocabulary": len(self)}

    def ids(self, symbols: Sequence[str]) -> NDArray[np.int32]:
        """The id of each symbol (symbols,)."""
        found = (self._places.get(one, UNKNOWN_ID) for one in symbols)
        return np.fromiter(found, dtype=np.int32, count=len(symbols))

    def name(self, symbol: int) -> str:
        """The symbol of an id."""
        return self.names[symbol - FIRST] if symbol >= FIRST else _SIGNS[symbol]

    def joined(self, ids: Iterable[int]) -> str:
        """Symbols by their ids, one after the other."""
        return (" " if self.words else "").join(map(self.name, ids))

    def typed(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The symbols of typed texts: parted by spaces where there are some, or where the run's symbols are words.

        Raises:
            DataError: a text is empty.
        """
        found = [symbols_of(text, words=self.words or len(text.split()) > 1) for text in texts]
        if not all(found):
            place = list(map(bool, found)).index(False) + 1
            raise DataError(f"text {place} of {len(texts)} is empty; give a symbol")
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: FIRST + place for place, name in enumerate(self.names)}


def alphabet_from(rows: Sequence[Row], *, size: int | None = None, least: int = 1) -> Alphabet:
    """The symbols that occur `least` times or more in (training) rows, most frequent first, at most `size` of them.

    Raises:
        DataError: there are none.
    """
    counts = alphabet_of(rows)
    names = tuple(name for name, count in counts if count >= least)[:size]
    if not names:
        raise DataError(f"none of {len(counts)} symbols occurs {least} times or more; give more rows")
    return Alphabet(names, any(len(name) > 1 for name, _ in counts))


def run_alphabet(setup: Setup) -> Alphabet:
    """The alphabet of a run, out of its facts."""
    return Alphabet(tuple(setup.facts["symbols"]), bool(setup.facts["words"]))
