"""Baselines that copy: the first sentence for a summary, the answer mentioned last for a question."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from regard.tasks.baselines.labels import most_frequent

_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\n\s*\n")
_WORD = re.compile(r"\w+")


def first_sentences(texts: Iterable[str]) -> list[str]:
    """Each text up to its first full stop, question or exclamation mark before a space (or any of 。！？), or its first
    empty line; line breaks become spaces. Abbreviations end sentences too: it is a baseline."""
    return [" ".join(next(iter(_END.split(text.strip(), maxsplit=1))).split()) for text in texts]


def first_words(texts: Iterable[str], count: int) -> list[str]:
    """The first so many words of each text, parted by spaces."""
    return [" ".join(text.split()[:count]) for text in texts]


def typical_length(summaries: Iterable[str]) -> int:
    """How many words a training summary has: their median (the lower one), at least 1. For `first_words`."""
    lengths = sorted(len(summary.split()) for summary in summaries)
    return max(1, lengths[(len(lengths) - 1) // 2])


def last_mentioned(contexts: Iterable[str], answers: Sequence[str]) -> list[str]:
    """For each context the one of the training answers that it mentions last; of two that end on the same word, the
    longer one; the most frequent training answer where it mentions none. Case and signs do not matter."""
    usual = most_frequent(answers)
    known = {words: answer for answer in sorted(set(answers), reverse=True) if (words := _words(answer))}
    longest = max(map(len, known), default=0)
    return [_last(_words(context), known, longest) or usual for context in contexts]


def _last(words: tuple[str, ...], known: dict[tuple[str, ...], str], longest: int) -> str | None:
    for end in range(len(words), 0, -1):
        for length in range(min(longest, end), 0, -1):
            found = known.get(words[end - length : end])
            if found is not None:
                return found
    return None


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(text.casefold()))
