"""Labelled texts too many for memory: looked through, parted, encoded once; the training part stays on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.tasks.batches import TextBatch, TextPart, encoded
from regard.tasks.event import Listener, Note
from regard.tasks.readers.digest import file_digest
from regard.tasks.readers.large_parts import LargeParts, Subset, part_large
from regard.tasks.readers.lazy_part import LazyPart, encoding, stored_part
from regard.tasks.readers.records import Record, records_of
from regard.tasks.readers.store import store_key, stored
from regard.tasks.readers.survey import surveyed
from regard.tasks.table import Row
from regard.tasks.table_reading import labelled_text
from regard.tasks.vocabulary import PADDING_ID, Vocabulary


@dataclass(frozen=True)
class LargeTexts:
    """A parted file. `key` stands for its bytes and for how it is read and parted; labels are sorted."""

    parts: LargeParts
    labels: tuple[str, ...]
    columns: tuple[str, str]
    key: str

    def judge(self, record: Record) -> Row | str:
        return labelled_text(record, *self.columns)

    def sample(self, most: int) -> list[str]:
        """At most so many training texts, evenly spread: what a vocabulary is trained on."""
        return [row.text for row in self.parts.train.sample(self.judge, most)]

    def rows(self, subset: Subset) -> list[Row]:
        """All rows of a part that fits into memory."""
        return list(subset.sample(self.judge, len(subset)))


def read_large(
    path: Path,
    *,
    columns: tuple[str, str],
    test_rows: float,
    validation_rows: float,
    seed: int,
    skip_refused: bool,
    listen: Listener,
) -> LargeTexts:
    """Looks through a file of (text, label) `columns` once and parts it; both are kept in the cache.

    Raises:
        DataError: it cannot be read, rows were refused and `skip_refused` is False, or it cannot be parted.
    """
    records = records_of(path)
    records.need(*columns)
    key = store_key("labelled texts", file_digest(path), *columns)
    survey = surveyed(records, lambda record: labelled_text(record, *columns), columns, key, listen)
    survey.usable(skip_refused=skip_refused)
    if survey.refused_rows:
        listen(Note(f"{path.name}: {survey.refused_rows:,} rows cannot be used and are left out"))
    parts = part_large(survey, test_rows=test_rows, validation_rows=validation_rows, seed=seed)
    return LargeTexts(
        parts=parts,
        labels=tuple(sorted(survey.labels)),
        columns=columns,
        key=store_key(key, repr(test_rows), repr(validation_rows), str(seed)),
    )


def encode_large(found: LargeTexts, vocabulary: Vocabulary, listen: Listener) -> tuple[LazyPart, TextPart, TextPart]:
    """(training part on disk, validation and test part in memory). Encoded once for a file and a vocabulary."""
    index = {label: place for place, label in enumerate(found.labels)}

    def encode(rows: Sequence[Row]) -> dict[str, Any]:
        return {"ids": vocabulary.ids([row.text for row in rows]), "target": [[index[row.label]] for row in rows]}

    train = found.parts.train
    key = store_key(found.key, vocabulary.tokenizer.to_str(), str(vocabulary.longest), vocabulary.keep)
    columns = {"ids": "int32", "target": "int32"}
    store = stored(key, columns, len(train), encoding(train, found.judge, encode), listen)
    held = []
    for subset in (found.parts.validation, found.parts.test):
        whole = encode(found.rows(subset))
        held.append(encoded(whole["ids"], [one for (one,) in whole["target"]]))
    return stored_part(store, text_batch), held[0], held[1]


def text_batch(columns: Mapping[str, Sequence[Any]]) -> TextBatch:
    """A batch out of the columns "ids" and "target" of its rows."""
    lengths = np.array([len(one) for one in columns["ids"]], dtype=np.int64)
    ids = np.full((len(lengths), int(lengths.max())), PADDING_ID, dtype=np.int64)
    for place, one in enumerate(columns["ids"]):
        ids[place, : len(one)] = one
    targets = np.concatenate(columns["target"]).astype(np.int64)
    return TextBatch(torch.from_numpy(ids), torch.from_numpy(lengths), torch.from_numpy(targets))
