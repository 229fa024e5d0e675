"""A baseline for words with a tag each: the tag that a word has most often."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from regard.tasks.baselines.labels import most_frequent

Words = Sequence[str]


def usual_tags(train: Iterable[tuple[Words, Words]], asked: Iterable[Words]) -> list[list[str]]:
    """For each word the most frequent tag of that word, as it is written, in training (words, tags) of sentences.

    A word that was never so written has the tag of its lower-case form; one that is new in that form too, the most
    frequent tag of the words that occur once: new words are more like those than like the frequent ones.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    whole: Counter[str] = Counter()
    for words, tags in train:
        whole.update(tags)
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    usual = {word: _first(tags) for word, tags in counts.items()}
    rare = Counter(usual[word] for word, tags in counts.items() if tags.total() == 1)
    new = _first(rare or whole)
    return [[usual.get(word) or usual.get(word.lower(), new) for word in words] for words in asked]


def _first(tags: Counter[str]) -> str:
    """The most frequent, of several the first in order."""
    return most_frequent(tags.elements())
