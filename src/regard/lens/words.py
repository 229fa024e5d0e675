"""From the weights of tokens to the weights of words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from regard.spec.errors import SpecError

# Scripts written without spaces between words (Thai to Myanmar, Khmer, kana, Han): there a token is shown as it is,
# because nothing in the text says where a word ends.
_SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003134f]"
)


class Token(Protocol):
    """What a model read: the characters [start, end) of the text, and their weight."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def weight(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text: the characters [start, end), and the sum of its tokens' weights."""

    text: str
    start: int
    end: int
    weight: float

    @property
    def spoken(self) -> bool:
        """True for a word with a letter or a digit, False for a sign such as a comma."""
        return any(character.isalnum() for character in self.text)


def merge(text: str, tokens: Sequence[Token]) -> tuple[Word, ...]:
    """The words of a text, in order: tokens that touch inside a run of letters and digits are one word.

    Weights are added up, so that words weigh together what tokens did. "ele" .2 + "gant" .3 -> "elegant" .5; a
    token of Chinese, Japanese, Thai, Lao, Khmer or Burmese stays as it is. Two tokens on one character (a ligature)
    are one word.

    Raises:
        SpecError: a token lies outside the text, or before the one in front of it.
    """
    words: list[Word] = []
    for place, token in enumerate(tokens):
        before = words[-1] if words else None
        least = before.start if before else 0
        if not least <= token.start <= token.end <= len(text):
            raise SpecError(
                f"token {place} has the characters {token.start} to {token.end}; expected tokens in order, inside a "
                f"text of {len(text)} characters"
            )
        if before is not None and _one_word(text, before, token):
            end = max(before.end, token.end)
            words[-1] = Word(text[before.start : end], before.start, end, before.weight + token.weight)
        else:
            words.append(Word(text[token.start : token.end], token.start, token.end, token.weight))
    return tuple(words)


def heaviest(words: Sequence[Word], count: int) -> tuple[Word, ...]:
    """The `count` heaviest words, heaviest first; of equals the one that comes first in the text."""
    return tuple(sorted(words, key=lambda word: (-word.weight, word.start))[:count])


def without(text: str, words: Sequence[Word], removed: frozenset[int]) -> str:
    """What the model read of a text, without the words at the places `removed`: a space stands where they stood.

    Parts that no word covers are kept where they are blank, and else (a part too long to be read, a line break in
    HTML) become a space.
    """
    parts: list[str] = []
    at = words[0].start if words else 0
    for place, word in enumerate(words):
        gap = text[at : word.start]
        parts.append(gap if not gap.strip() else " ")
        parts.append(" " if place in removed else word.text)
        at = word.end
    return "".join(parts)


def _one_word(text: str, before: Word, token: Token) -> bool:
    if token.start < before.end:
        return True
    if token.start > before.end or token.end == token.start or before.end == before.start:
        return False
    return inside_one_word(text[before.end - 1], text[token.start])


def inside_one_word(left: str, right: str) -> bool:
    """True where two characters side by side belong to one word: letters, digits, marks, apostrophes."""
    return _joins(left) and _joins(right)


def _joins(character: str) -> bool:
    """True for what stands inside a word: letters, digits, marks above letters, an apostrophe."""
    inside = character.isalnum() or character in "'’_" or unicodedata.category(character).startswith("M")
    return inside and not _SPACELESS.match(character)
