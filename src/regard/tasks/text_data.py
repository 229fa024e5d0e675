"""From settings to encoded text parts: read, refuse, part, train the vocabulary on the training part, encode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, RunError
from regard.tasks.batches import TextPart, encoded
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note, unheard
from regard.tasks.origin import data_paths, digest_of, held_out
from regard.tasks.readers.large_texts import LargeTexts, encode_large, read_large
from regard.tasks.sections import TokenSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.split import Split, fingerprint, split_rows
from regard.tasks.table import Row, Table, usable
from regard.tasks.table_reading import read_table
from regard.tasks.task import Asked, Given, Prepared, Setup
from regard.tasks.vocabulary import (
    Vocabulary,
    chosen_kind,
    spaceless_share,
    train_vocabulary,
    vocabulary_from,
)

TOKENIZER = "vocab/tokenizer.json"  # in a run's folder
LARGE = 200_000_000  # bytes: a larger file is not read into memory
_HELD_OUT = 10_000  # of a large file: most rows to test, and to validate, where a share of them was asked for
_SAMPLED = 100_000  # of its training rows: what the vocabulary and the baselines are made of


def prepare_text(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a text classification run. With `kept` files (of a run that goes on) no vocabulary is trained.

    The training part of a file of more than 200 MB stays on disk. Then the vocabulary and the baselines are made of a
    sample of it, shares of rows to hold out mean 10,000 rows at most, and no row is marked as seen.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    path = _large_file(settings, listen)
    if path is not None:
        return _prepare_large(settings, path, kept, listen)
    split = _split(settings, listen)
    settings, kept = with_vocabulary(settings, [row.text for row in split.train], kept, listen)
    vocabulary = vocabulary_of(Setup(settings, {}, kept))
    train = encode_rows(split.train, vocabulary, split.labels)
    settings = decided_epochs(settings, train, listen)
    return Prepared(
        setup=Setup(settings, {"labels": list(split.labels), "vocabulary": len(vocabulary)}, kept),
        train=train,
        validation=encode_rows(split.validation, vocabulary, split.labels),
        test=encode_rows(split.test, vocabulary, split.labels),
        protocol=f"{held_out(settings.data, len(split.test))}|duplicates:removed",
        counts={
            "train": len(split.train),
            "validation": len(split.validation),
            "test": len(split.test),
            "duplicates": split.duplicates,
            "contradictions": split.contradictions,
            "leaked": split.leaked,
        },
        marks=np.sort(_marks((*split.train, *split.validation))),
        rows=split,
    )


def _large_file(settings: Settings, listen: Listener) -> Path | None:
    """The file of a run whose training part is to stay on disk."""
    data = settings.data
    paths = data_paths(data, "labelled texts", listen)
    size = paths[0].stat().st_size if paths[0].is_file() else 0
    if size <= LARGE:
        return None
    if len(paths) > 1 or data.train_rows is not None:
        listen(
            Note(f"{paths[0].name} is read into memory: with a test part of its own, or data.train_rows, it has to be")
        )
        return None
    return paths[0]


def _prepare_large(settings: Settings, path: Path, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    found = _parted_large(settings, path, listen)
    sample = tuple(found.parts.train.sample(found.judge, _SAMPLED))
    settings, kept = with_vocabulary(settings, [row.text for row in sample], kept, listen)
    vocabulary = vocabulary_of(Setup(settings, {}, kept))
    train, validation, test = encode_large(found, vocabulary, listen)
    settings = decided_epochs(settings, train, listen)
    parts = found.parts
    return Prepared(
        setup=Setup(settings, {"labels": list(found.labels), "vocabulary": len(vocabulary)}, kept),
        train=train,
        validation=validation,
        test=test,
        protocol=f"{held_out(settings.data, len(test))}|duplicates:removed",
        counts={
            "train": len(train),
            "validation": len(validation),
            "test": len(test),
            "duplicates": parts.duplicates,
            "contradictions": parts.contradictions,
            "leaked": 0,
            "sampled": len(sample),
            "marked": 0,
        },
        rows=Split(
            sample,
            tuple(found.rows(parts.validation)),
            tuple(found.rows(parts.test)),
            parts.duplicates,
            parts.contradictions,
            0,
            parts.seed,
        ),
    )


def _parted_large(settings: Settings, path: Path, listen: Listener) -> LargeTexts:
    """A large file in parts; of shares to hold out no more than so many rows."""
    data, listened = settings.data, listen
    wanted = {"test_rows": data.test_rows, "validation_rows": data.validation_rows}
    while True:
        found = read_large(
            path,
            columns=(data.column("text"), data.column("label")),
            seed=data.split_seed,
            skip_refused=data.skip_refused,
            listen=listened,
            test_rows=wanted["test_rows"],
            validation_rows=wanted["validation_rows"],
        )
        held = {"test_rows": found.parts.test, "validation_rows": found.parts.validation}
        more = [name for name, part in held.items() if wanted[name] < 1 and len(part) > _HELD_OUT]
        if not more:
            break
        wanted |= dict.fromkeys(more, float(_HELD_OUT))
        listened = unheard  # it was told already
    if len(found.labels) < 2:
        raise DataError(f"{path.name} has one label ({found.labels[0]!r}), expected at least 2; add rows")
    parts = found.parts
    listen(
        Note(
            f"{len(parts.train):,} rows to train on, which stay on disk, {len(parts.validation):,} to validate, "
            f"{len(parts.test):,} to test; left out: {parts.duplicates:,} duplicates, {parts.contradictions:,} with a "
            "text that occurs under several labels"
        )
    )
    return found


def with_vocabulary(
    settings: Settings, texts: Sequence[str], kept: Mapping[str, str] | None, listen: Listener
) -> tuple[Settings, Mapping[str, str]]:
    """The settings with the kind of tokens decided, and the kept files: with a vocabulary of these texts, unless there
    are some already."""
    settings = _decided_kind(settings, texts, listen)
    if kept is not None:
        return settings, kept
    tokens = settings.section(TokenSettings)
    vocabulary = train_vocabulary(texts, tokens, chosen_kind(texts, tokens))
    listen(Note(f"vocabulary of {len(vocabulary):,} {tokens.kind}, from the training part only"))
    return settings, {TOKENIZER: vocabulary.tokenizer.to_str()}


def joint_vocabulary(prepared: Sequence[Prepared]) -> Mapping[str, str]:
    """One vocabulary, of the training texts of all these."""
    texts = [row.text for one in prepared for row in one.rows.train]
    tokens = prepared[0].settings.section(TokenSettings)
    return {TOKENIZER: train_vocabulary(texts, tokens, chosen_kind(texts, tokens)).tokenizer.to_str()}


def encode_rows(rows: Sequence[Row], vocabulary: Vocabulary, labels: Sequence[str]) -> TextPart:
    """Rows as token ids and class indices (a label's place in `labels`)."""
    index = {label: place for place, label in enumerate(labels)}
    return encoded(vocabulary.ids([row.text for row in rows]), [index[row.label] for row in rows])


def vocabulary_of(setup: Setup) -> Vocabulary:
    """The vocabulary that a run keeps.

    Raises:
        CheckpointError: it cannot be read.
        RunError: the run keeps none: it is of a task that reads no text.
    """
    if TOKENIZER not in setup.kept:
        raise RunError(f"a run of {setup.settings.task} keeps no vocabulary: it reads no text; give it rows of a file")
    return _vocabulary(setup.kept[TOKENIZER], setup.settings.section(TokenSettings))


def data_digest(settings: Settings, listen: Listener) -> str:
    """A digest of the data files' bytes; a named set is fetched first if it is not in the cache. Raises as
    `data_paths` does."""
    return digest_of(settings.data, "labelled texts", listen)


def read_texts(asked: Asked, setup: Setup) -> Given:
    """Rows of a file for a trained run: with `asked.truths` their labels too.

    Raises:
        DataError: the file cannot be read, a row cannot be used, or a label is unknown to the run.
    """
    columns = {**setup.settings.data.columns, **asked.columns}
    label = columns.get("label", "label") if asked.truths else None
    table = read_table(asked.path, text=columns.get("text", "text"), label=label)
    rows = usable(table, skip_refused=asked.skip_refused)
    labels = setup.facts["labels"] if asked.truths else [""]
    _check_known(table, rows, labels)
    return Given(
        name=table.name,
        part=encode_rows(rows, vocabulary_of(setup), labels),
        numbers=tuple(row.number for row in rows),
        shown=tuple(row.text for row in rows),
        refused=len(table.refused),
        marks=_marks(rows),
    )


def typed_texts(texts: Sequence[str], setup: Setup) -> Given:
    """Typed texts for a trained run.

    Raises:
        DataError: a text is empty; the message names its place.
    """
    for place, text in enumerate(texts):
        if not text.strip():
            raise DataError(f"text {place + 1} of {len(texts)} is empty; give some words")
    part = encoded(vocabulary_of(setup).ids(texts), [0] * len(texts))
    return Given("typed", part, tuple(range(1, len(texts) + 1)), tuple(texts))


@lru_cache(maxsize=4)
def _vocabulary(text: str, tokens: TokenSettings) -> Vocabulary:
    return vocabulary_from(text, tokens, where=TOKENIZER)


def _split(settings: Settings, listen: Listener) -> Split:
    data = settings.data
    paths = data_paths(data, "labelled texts", listen)
    tables = [read_table(path, text=data.column("text"), label=data.column("label")) for path in paths]
    rows = [usable(table, skip_refused=data.skip_refused) for table in tables]
    for table in tables:
        if table.refused:
            listen(Note(f"{table.name}: {len(table.refused)} rows cannot be used and are left out"))
    split = split_rows(
        rows[0],
        test_rows=data.test_rows,
        validation_rows=data.validation_rows,
        seed=data.split_seed,
        given_test=rows[1] if len(rows) > 1 else None,
        train_rows=data.train_rows,
    )
    listen(Note(_sentence(split)))
    return split


def _marks(rows: Sequence[Row]) -> NDArray[np.int64]:
    return np.array([fingerprint(row.text) for row in rows], dtype=np.int64)


def _check_known(table: Table, rows: Sequence[Row], labels: Sequence[str]) -> None:
    unknown = sorted({row.label for row in rows} - set(labels))
    if unknown:
        raise DataError(
            f"{table.name} has labels unknown to this run: {', '.join(map(repr, unknown))}; "
            f"those it knows: {', '.join(map(repr, labels))}"
        )


def _decided_kind(settings: Settings, texts: Sequence[str], listen: Listener) -> Settings:
    """The settings with `tokens.kind` "auto" replaced by what it means for the training texts."""
    tokens = settings.section(TokenSettings)
    if tokens.kind != "auto":
        return settings
    kind = chosen_kind(texts, tokens)
    share = spaceless_share(texts)
    listen(Note(f"tokens: {kind} ({share:.0%} of the characters are of scripts written without spaces)"))
    return changed(settings, {"tokens.kind": kind})


def _sentence(split: Split) -> str:
    parts = f"{len(split.train):,} rows to train on, {len(split.validation):,} to validate, {len(split.test):,} to test"
    left_out = (
        (split.duplicates, "duplicates"),
        (split.contradictions, "with a text that occurs under several labels"),
        (split.leaked, "also in the test file"),
    )
    named = ", ".join(f"{count:,} {what}" for count, what in left_out if count)
    return f"{parts}; left out: {named or 'none'}"
