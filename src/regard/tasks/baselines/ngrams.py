"""An n-gram model of symbols (characters, notes, bases, words), with exact probabilities.

Interpolated Witten-Bell smoothing (Witten & Bell 1991; equation (1) is the form in Chen & Goodman 1999, section 2.5):

    P(s | h) = (count(h, s) + kinds(h) P(s | h')) / (count(h) + kinds(h))                                           (1)

where h' is h without its oldest symbol, kinds(h) is how many different symbols followed h in training, and below the
empty context stands 1 / symbols. Chosen over Kneser-Ney because its counts of counts do not exist for small alphabets:
every one of four bases follows every context many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError

Symbols = NDArray[np.int64]


@dataclass(frozen=True)
class _Level:
    """Contexts of one length, numbered, and what followed them.

    contexts: sorted keys (number of the context one shorter) x (symbols + 1) + (the symbol before it); a context's
    number is its key's place. followed: sorted keys (context's number) x symbols + (the symbol after); times: how
    often. total, kinds (contexts,): count(h) and kinds(h).
    """

    contexts: Symbols
    followed: Symbols
    times: NDArray[np.float64]
    total: NDArray[np.float64]
    kinds: NDArray[np.float64]


@dataclass(frozen=True)
class Ngrams:
    """A fitted model; `order` 5 foretells a symbol from the 4 before it. Before a row's first symbol stands a mark that
    is never foretold itself; nor is the end of a row, unless it is one of the symbols."""

    order: int
    symbols: int
    levels: tuple[_Level, ...]

    def log_probabilities(self, rows: Sequence[Sequence[int] | Symbols]) -> list[NDArray[np.float64]]:
        """The natural logarithm of the probability of each symbol of each row, given those before it.

        Raises:
            DataError: a symbol outside 0 to symbols - 1.
        """
        flat, place = _laid_out(rows, self.symbols)
        before = [_before(flat, place, distance, self.symbols) for distance in range(1, self.order)]
        logs = np.log(self._probabilities(before, flat))
        return np.split(logs, np.cumsum([len(row) for row in rows])[:-1])

    def distribution(self, before: Sequence[int]) -> NDArray[np.float64]:
        """The probability of each symbol (symbols,) after those before it, the latest last; sums to 1.

        Fewer than order - 1 symbols before are the first ones of a row.
        """
        padded = [self.symbols] * self.order + list(before)
        columns = [np.full(self.symbols, padded[-distance]) for distance in range(1, self.order)]
        return self._probabilities(columns, np.arange(self.symbols))

    def _probabilities(self, before: Sequence[Symbols], after: Symbols) -> NDArray[np.float64]:
        """Equation (1) from the empty context up. before: the symbols at distance 1, 2, ... (places,)."""
        found = np.full(len(after), 1.0 / self.symbols)
        number = np.zeros(len(after), dtype=np.int64)
        for length, level in enumerate(self.levels):
            if length:
                number = _looked_up(level.contexts, number, before[length - 1], self.symbols + 1)
            known = number >= 0
            place = _looked_up(level.followed, number, after, self.symbols)
            count = np.where(place >= 0, level.times[place], 0.0)
            kinds, total = level.kinds[number], level.total[number]
            found = np.where(known, (count + kinds * found) / (total + kinds), found)
        return found


def fit_ngrams(rows: Sequence[Sequence[int] | Symbols], *, symbols: int, order: int = 5) -> Ngrams:
    """Counts the training rows, each a sequence of symbols from 0 to symbols - 1.

    Raises:
        DataError: a symbol outside that range, or no symbol at all; or an order below 1.
    """
    flat, place = _laid_out(rows, symbols)
    if order < 1 or not len(flat):
        raise DataError(f"order {order} and {len(flat)} training symbols, expected at least 1 of each")
    number = np.zeros(len(flat), dtype=np.int64)
    contexts = np.zeros(1, dtype=np.int64)
    levels = []
    for length in range(order):
        if length:
            keys = number * (symbols + 1) + _before(flat, place, length, symbols)
            contexts, number = np.unique(keys, return_inverse=True)
        followed, times = np.unique(number * symbols + flat, return_counts=True)
        total = np.bincount(number, minlength=len(contexts)).astype(float)
        kinds = np.bincount(followed // symbols, minlength=len(contexts)).astype(float)
        levels.append(_Level(contexts, followed, times.astype(float), total, kinds))
    return Ngrams(order, symbols, tuple(levels))


def _looked_up(keys: Symbols, number: Symbols, symbol: Symbols, base: int) -> Symbols:
    """The place of (number, symbol) among sorted keys, -1 where it is not there or its number is -1."""
    asked = number * base + symbol
    place = np.searchsorted(keys, asked).clip(max=len(keys) - 1)
    return np.where(keys[place] == asked, place, -1)  # asked is below 0 for number -1


def _laid_out(rows: Sequence[Any], symbols: int) -> tuple[Symbols, Symbols]:
    """All symbols in one line (places,), and the place of each within its row."""
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    flat = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows]) if len(rows) else lengths
    if len(flat) and (flat.min() < 0 or flat.max() >= symbols):
        raise DataError(f"symbols from {flat.min()} to {flat.max()}, expected 0 to {symbols - 1}")
    return flat, np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _before(flat: Symbols, place: Symbols, distance: int, mark: int) -> Symbols:
    """The symbol so far before each one; `mark` where the row begins later."""
    shifted = np.concatenate([np.full(min(distance, len(flat)), mark), flat[:-distance]])
    return np.where(place >= distance, shifted, mark)
