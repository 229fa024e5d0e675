"""From settings to encoded text parts: read, refuse, part, train the vocabulary on the training part, encode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regard.spec.errors import SpecError
from regard.tasks.batches import TextPart, encoded
from regard.tasks.event import Listener, Note
from regard.tasks.settings import Settings, changed
from regard.tasks.sources import obtain, source
from regard.tasks.split import Split, split_rows
from regard.tasks.table import Row, usable
from regard.tasks.table_reading import file_digest, read_table
from regard.tasks.task import Prepared
from regard.tasks.vocabulary import Vocabulary, chosen_kind, spaceless_share, train_vocabulary

_EPOCHS = 8  # "auto": so many,
_STEPS = 400  # or as many as make so many steps


def prepare_text(settings: Settings, vocabulary: Vocabulary | None, listen: Listener) -> Prepared:
    """The parts of a text classification run. With a `vocabulary` (a run that goes on) none is trained.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    data = settings.data
    tables = [read_table(path, text=data.text, label=data.label) for path in _paths(settings, listen)]
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
    settings = _decided_epochs(_decided_kind(settings, split, listen), split, listen)
    if vocabulary is None:
        texts = [row.text for row in split.train]
        vocabulary = train_vocabulary(texts, settings.tokens, chosen_kind(texts, settings.tokens))
        listen(Note(f"vocabulary of {len(vocabulary):,} {settings.tokens.kind}, from the training part only"))
    return Prepared(
        settings=settings,
        split=split,
        labels=split.labels,
        vocabulary=vocabulary,
        train=encode_rows(split.train, vocabulary, split.labels),
        validation=encode_rows(split.validation, vocabulary, split.labels),
        test=encode_rows(split.test, vocabulary, split.labels),
    )


def encode_rows(rows: Sequence[Row], vocabulary: Vocabulary, labels: Sequence[str]) -> TextPart:
    """Rows as token ids and class indices (a label's place in `labels`)."""
    index = {label: place for place, label in enumerate(labels)}
    return encoded(vocabulary.ids([row.text for row in rows]), [index[row.label] for row in rows])


def data_digest(settings: Settings, listen: Listener) -> str:
    """A digest of the data files' bytes; a named set is fetched first if it is not in the cache.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: a file is missing, or a set cannot be fetched.
    """
    return " ".join(file_digest(path) for path in _paths(settings, listen))


def _paths(settings: Settings, listen: Listener) -> list[Path]:
    data = settings.data
    if (data.source is None) == (data.path is None):
        given = "neither" if data.source is None else "both"
        raise SpecError(f"settings: {given} of data.source and data.path given, expected one: a named set, or a file")
    path = (
        obtain(source(data.source, kind="labelled texts"), listen) if data.source is not None else Path(str(data.path))
    )
    return [path] if data.test_path is None else [path, Path(data.test_path)]


def _decided_kind(settings: Settings, split: Split, listen: Listener) -> Settings:
    """The settings with `tokens.kind` "auto" replaced by what it means for the training texts."""
    if settings.tokens.kind != "auto":
        return settings
    texts = [row.text for row in split.train]
    kind = chosen_kind(texts, settings.tokens)
    share = spaceless_share(texts)
    listen(Note(f"tokens: {kind} ({share:.0%} of the characters are of scripts written without spaces)"))
    return changed(settings, {"tokens.kind": kind})


def _decided_epochs(settings: Settings, split: Split, listen: Listener) -> Settings:
    """The settings with `train.epochs` "auto" replaced by a number: few rows need more epochs to be learned."""
    if settings.train.epochs != "auto":
        return settings
    steps = -(-len(split.train) // settings.train.batch)
    epochs = max(_EPOCHS, -(-_STEPS // steps))
    listen(Note(f"epochs: {epochs}, of {steps} steps each"))
    return changed(settings, {"train.epochs": epochs})


def _sentence(split: Split) -> str:
    parts = f"{len(split.train):,} rows to train on, {len(split.validation):,} to validate, {len(split.test):,} to test"
    left_out = (
        (split.duplicates, "duplicates"),
        (split.contradictions, "with a text that occurs under several labels"),
        (split.leaked, "also in the test file"),
    )
    named = ", ".join(f"{count:,} {what}" for count, what in left_out if count)
    return f"{parts}; left out: {named or 'none'}"
