"""Pairs of texts for models that read one and write the other: from files to parts of symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from regard.spec.errors import DataError, SpecError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.origin import digest_of
from regard.tasks.pair_part import PairPart
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.pairs import Pair, read_pairs
from regard.tasks.readers.parts import Parts
from regard.tasks.sections import TokenSettings, WritingSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.text_data import TOKENIZER
from regard.tasks.text_symbols import symbols_from, train_symbols, written
from regard.tasks.vocabulary import is_spaceless

WRITTEN_TOKENIZER = "vocab/written.json"  # of what is written, where it has a vocabulary of its own


def digest_pairs(settings: Settings, listen: Listener) -> str:
    """What the bytes of the pairs come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "pairs", listen)


def prepare_pairs(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that learns to write one text from another; rows of one group go to one part.

    Vocabularies come from the training part. Of sources longer than `tokens.longest` symbols the first are read, or by
    `tokens.keep` the first and the last; training pairs whose target is longer than `writing.longest` are left out;
    both are told. The facts say whether the targets are in a
    script without spaces between words.

    Raises:
        SpecError: the settings name no data, both a named set and a file, or symbols that drop spaces.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = parted(settings.data, "pairs", _reader(settings, {}), listen)
    targets = [pair.target for pair in parts.train]
    settings = _decided(settings, parts.train)
    if kept is None:
        kept = _vocabularies(settings, parts.train, listen)
    setup = Setup(settings, {"spaceless": is_spaceless(targets)}, kept)
    parts, too_long = _without_long(parts, setup, listen)
    train = encode_pairs(parts.train, setup)
    setup = replace(setup, settings=decided_epochs(settings, train, listen))
    found = prepared(setup, parts, lambda rows: train if rows is parts.train else encode_pairs(rows, setup))
    return replace(found, counts={**found.counts, "long_targets": too_long})


def encode_pairs(pairs: Sequence[Pair], setup: Setup) -> PairPart:
    """Pairs in symbols. Sources are cut at `tokens.longest`, and targets so that they end within `writing.longest`:
    those of the training part all do, and of others only the loss is of the part, the scores are of whole texts."""
    settings = setup.settings
    longest, most = settings.section(TokenSettings).longest, settings.section(WritingSettings).longest
    tail = longest // 2 if settings.section(TokenSettings).keep == "ends" else 0
    sources = _ids(source_symbols(setup), [pair.source for pair in pairs], longest, tail=tail)
    targets = _ids(target_symbols(setup), [pair.target for pair in pairs], most - 1)
    return PairPart(sources, targets, [pair.target for pair in pairs])


def source_symbols(setup: Setup) -> Tokenizer:
    """The vocabulary of what is read."""
    return symbols_from(setup.kept[TOKENIZER])


def target_symbols(setup: Setup) -> Tokenizer:
    """The vocabulary of what is written: its own, or the same."""
    return symbols_from(setup.kept.get(WRITTEN_TOKENIZER, setup.kept[TOKENIZER]))


def read_more_pairs(asked: Asked, setup: Setup) -> Given:
    """Pairs, or with no truths sources alone, for a trained run.

    Raises:
        DataError: they cannot be read, or a row cannot be used.
    """
    found = _reader(setup.settings, asked.columns, truths=asked.truths)(asked.path)
    rows = usable(found, skip_refused=asked.skip_refused)
    return _given(found.name, rows, setup, refused=len(found.refused))


def typed_sources(texts: Sequence[str], setup: Setup) -> Given:
    """Typed texts as sources.

    Raises:
        DataError: a text is empty.
    """
    if not all(text.strip() for text in texts):
        place = [bool(text.strip()) for text in texts].index(False) + 1
        raise DataError(f"text {place} of {len(texts)} is empty; give one with a letter or sign")
    return _given("typed", [Pair(number, text, "") for number, text in enumerate(texts, 1)], setup)


def _given(name: str, rows: Sequence[Pair], setup: Setup, *, refused: int = 0) -> Given:
    marks = np.array([row.identity.given for row in rows], dtype=np.int64)
    shown = tuple(row.source for row in rows)
    return Given(name, encode_pairs(rows, setup), tuple(row.number for row in rows), shown, refused, marks)


def _reader(settings: Settings, columns: Mapping[str, str], *, truths: bool = True) -> Callable[[Path], Reading[Pair]]:
    named = {**settings.data.columns, **columns}
    target = named.get("target", "target") if truths else None
    return lambda path: read_pairs(path, source=named.get("source", "source"), target=target, group=named.get("group"))


def _decided(settings: Settings, train: Sequence[Pair]) -> Settings:
    """With "auto" decided: two vocabularies where one side alone is in a script without spaces."""
    tokens, writing = settings.section(TokenSettings), settings.section(WritingSettings)
    if tokens.kind not in ("characters", "subwords"):
        raise SpecError(f"tokens.kind was {tokens.kind!r}: a text is written in characters or in subwords")
    if writing.vocabulary != "auto":
        return settings
    one, other = (is_spaceless([getattr(pair, side) for pair in train]) for side in ("source", "target"))
    return changed(settings, {"writing.vocabulary": "shared" if one == other else "own"})


def _vocabularies(settings: Settings, train: Sequence[Pair], listen: Listener) -> dict[str, str]:
    tokens = settings.section(TokenSettings)
    sources, targets = [pair.source for pair in train], [pair.target for pair in train]
    shared = settings.section(WritingSettings).vocabulary == "shared"
    sides = {TOKENIZER: sources + targets} if shared else {TOKENIZER: sources, WRITTEN_TOKENIZER: targets}
    kept = {}
    for name, texts in sides.items():
        kind = "characters" if tokens.kind == "characters" else "subwords"
        made = train_symbols(texts, kind=kind, size=tokens.size, least=tokens.least)  # type: ignore[arg-type]
        kept[name] = made.to_str()
        of = "of both sides" if shared else "of what is read" if name == TOKENIZER else "of what is written"
        listen(Note(f"vocabulary {of}: {made.get_vocab_size():,} {kind}, from the training part only"))
    return kept


def _without_long(parts: Parts[Pair], setup: Setup, listen: Listener) -> tuple[Parts[Pair], int]:
    """The parts without training pairs whose target is too long to be written, and how many those are."""
    most = setup.settings.section(WritingSettings).longest
    tokens = setup.settings.section(TokenSettings)
    lengths = [len(one.ids) for one in written(target_symbols(setup), [pair.target for pair in parts.train])]
    train = tuple(pair for pair, length in zip(parts.train, lengths, strict=True) if length < most)
    if not train:
        raise DataError(f"no training target has fewer than {most} symbols; raise writing.longest")
    cut = sum(len(one.ids) > tokens.longest for one in written(source_symbols(setup), [pair.source for pair in train]))
    if len(train) < len(parts.train):
        listen(Note(f"{len(parts.train) - len(train):,} training pairs left out: targets of {most} symbols or more"))
    if cut:
        read = "the first and the last of them" if tokens.keep == "ends" else "the first of them"
        listen(Note(f"{cut:,} training sources are longer than {tokens.longest} symbols: so many are read, {read}"))
    return replace(parts, train=train), len(parts.train) - len(train)


def _ids(symbols: Tokenizer, texts: Sequence[str], most: int, *, tail: int = 0) -> list[NDArray[np.int32]]:
    """The symbols of each text, `most` at most: of longer ones the first, the last `tail` of them from the end."""
    found = [one.ids for one in written(symbols, texts)]
    return [ids if len(ids) <= most else np.append(ids[: most - tail], ids[len(ids) - tail :]) for ids in found]
