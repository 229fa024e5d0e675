"""Words with a tag each: from files to parts of numbers, the same for training and for a trained run.

Of a word the model is given three things: the word itself in lower case, its ending (the last three letters), and its
shape (capitals, digits); by the last two it can tell words that it has never seen.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.memory_part import MemoryPart
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.tagged import Tagged, read_tagged
from regard.tasks.sections import TokenSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

WORDS = "vocab/words.json"  # in a run's folder
SHAPES = 6  # and padding
NO_TAG = -1  # the target of padding, and of tags that the training part has not
_ENDING = 3  # letters
_WORD = re.compile(r"\w+(?:['’.-]\w+)*|[^\w\s]")  # of typed text


@dataclass(frozen=True)
class Lexicon:
    """The words and endings of a run, each with its id: 0 is padding, 1 any other."""

    words: Mapping[str, int]
    endings: Mapping[str, int]

    def features(self, tokens: Sequence[str]) -> NDArray[np.int64]:
        """(tokens, 3): the ids of each one's word, ending and shape."""
        lower = [token.lower() for token in tokens]
        words = [self.words.get(word, UNKNOWN_ID) for word in lower]
        endings = [self.endings.get(word[-_ENDING:], UNKNOWN_ID) for word in lower]
        return np.array([words, endings, list(map(shape, tokens))], dtype=np.int64).T


@dataclass(frozen=True)
class TaggedBatch:
    """features (batch, len, 3) int64, padded at the end; lengths (batch,); targets (batch, len), `NO_TAG` where there
    is none to tell; words: of each row, as they are written."""

    features: Tensor
    lengths: Tensor
    targets: Tensor
    words: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return self.features.shape[0]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.targets.numel()

    def to(self, device: torch.device) -> TaggedBatch:
        """The same batch on another device."""
        features, lengths, targets = (one.to(device) for one in (self.features, self.lengths, self.targets))
        return TaggedBatch(features, lengths, targets, self.words)


def shape(word: str) -> int:
    """1: small letters; 2: a capital first; 3: capitals alone, two or more; 4: with a digit; 5: other letters (inner
    capitals, scripts without them); 6: no letter at all."""
    if any(letter.isdigit() for letter in word):
        return 4
    if not any(letter.isalpha() for letter in word):
        return SHAPES
    if word.islower():
        return 1
    if word.isupper() and len(word) > 1:
        return 3
    return 2 if word[:1].isupper() and word[1:] == word[1:].lower() else 5


def digest_tagged(settings: Settings, listen: Listener) -> str:
    """What the bytes of the sentences come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "tagged words", listen)


def prepare_tagged(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that tags words; sentences of one group (a text) go to one part. The facts hold the tags of
    the training part.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = parted(settings.data, "tagged words", _reader(settings, {}), listen)
    tags = sorted({tag for row in parts.train for tag in row.tags})
    if kept is None:
        kept = {WORDS: _lexicon_of(parts.train, settings.section(TokenSettings))}
    known = lexicon(kept[WORDS])
    entries = f"{len(known.words):,} words and {len(known.endings):,} endings"
    listen(Note(f"{len(tags):,} tags, {entries}, from the training part only"))
    sizes = [2 + len(known.words), 2 + len(known.endings), 1 + SHAPES]
    setup = Setup(settings, {"tags": tags, "sizes": sizes}, kept)
    train = encode_tagged(parts.train, setup)
    setup = replace(setup, settings=decided_epochs(settings, train, listen))
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else encode_tagged(rows, setup))
    return replace(found, protocol=f"{found.protocol}|words:{sum(map(len, found.test.truths))}")


def encode_tagged(rows: Sequence[Tagged], setup: Setup) -> MemoryPart:
    """Sentences as numbers. Truths: the tags of each sentence by their place among the run's, `NO_TAG` for a tag that
    the run does not know, which no answer is."""
    known, places = lexicon(setup.kept[WORDS]), {tag: place for place, tag in enumerate(setup.facts["tags"])}
    features = [known.features(row.tokens) for row in rows]
    truths = [np.array([places.get(tag, NO_TAG) for tag in row.tags], dtype=np.int64) for row in rows]
    lengths = np.array([len(row.tokens) for row in rows], dtype=np.int64)

    def collate(wanted: NDArray[np.int64]) -> TaggedBatch:
        longest = int(lengths[wanted].max())
        given = np.full((len(wanted), longest, 3), PADDING_ID, dtype=np.int64)
        targets = np.full((len(wanted), longest), NO_TAG, dtype=np.int64)
        for place, row in enumerate(wanted):
            given[place, : lengths[row]], targets[place, : len(truths[row])] = features[row], truths[row]
        words = tuple(rows[row].tokens for row in wanted)
        made = torch.from_numpy
        return TaggedBatch(made(given), made(lengths[wanted]), made(targets), words)

    return MemoryPart(lengths, collate, truths)


def read_more_tagged(asked: Asked, setup: Setup) -> Given:
    """Sentences for a trained run: with `asked.truths` their tags too.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    found = _reader(setup.settings, asked.columns, tagged=asked.truths)(asked.path)
    return _given(found.name, usable(found, skip_refused=asked.skip_refused), setup, refused=len(found.refused))


def typed_sentences(texts: Sequence[str], setup: Setup) -> Given:
    """Typed sentences, cut into words and signs.

    Raises:
        DataError: a text is empty.
    """
    rows = [Tagged(place, tuple(_WORD.findall(text)), ()) for place, text in enumerate(texts, start=1)]
    for row in rows:
        if not row.tokens:
            raise DataError(f"text {row.number} of {len(texts)} is empty; give some words")
    return _given("typed", rows, setup)


@lru_cache(maxsize=4)
def lexicon(kept: str) -> Lexicon:
    """The lexicon that a run keeps."""
    held = json.loads(kept)
    words, endings = ({one: place for place, one in enumerate(held[name], 2)} for name in ("words", "endings"))
    return Lexicon(words, endings)


def _lexicon_of(rows: Iterable[Tagged], tokens: TokenSettings) -> str:
    words = Counter(token.lower() for row in rows for token in row.tokens)
    endings: Counter[str] = Counter()
    for word, count in words.items():
        endings[word[-_ENDING:]] += count
    kept = {"words": _frequent(words, tokens), "endings": _frequent(endings, tokens)}
    return json.dumps(kept, ensure_ascii=False, indent=0)


def _frequent(counts: Counter[str], tokens: TokenSettings) -> list[str]:
    order = sorted(counts, key=lambda one: (-counts[one], one))
    return [one for one in order if counts[one] >= tokens.least][: tokens.size]


def _given(name: str, rows: Sequence[Tagged], setup: Setup, *, refused: int = 0) -> Given:
    shown = tuple(" ".join(row.tokens) for row in rows)
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    return Given(name, encode_tagged(rows, setup), tuple(row.number for row in rows), shown, refused, marks)


def _reader(
    settings: Settings, columns: Mapping[str, str], *, tagged: bool = True
) -> Callable[[Path], Reading[Tagged]]:
    named = {**settings.data.columns, **columns}
    return lambda path: read_tagged(
        path,
        tokens=named.get("tokens", "tokens"),
        tags=named.get("tags", "tags") if tagged else None,
        group=named.get("group"),
    )
