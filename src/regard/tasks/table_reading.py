"""Labelled texts from plain files: csv, tsv, jsonl, parquet."""

from __future__ import annotations

from pathlib import Path

from regard.tasks.readers.digest import file_digest
from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.reading import read_records
from regard.tasks.readers.records import SUFFIXES, Record, records_of
from regard.tasks.table import Row, Table

__all__ = ["SUFFIXES", "file_digest", "labelled_text", "read_table"]


def read_table(path: str | Path, *, text: str, label: str | None) -> Table:
    """Reads a file's rows. With `label=None` rows carry the label "" (texts to predict on).

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column (the message lists those there).
    """
    records = records_of(path)
    records.need(text, label)
    return read_records(records, lambda record: labelled_text(record, text, label))


def labelled_text(record: Record, text: str, label: str | None) -> Row | str:
    """A record's row, or why it is none."""
    reason = text_fault(record.fields.get(text), text)
    if not reason and label is not None:
        reason = label_fault(record.fields.get(label), label)
    return reason or Row(record.number, record.fields[text], "" if label is None else str(record.fields[label]))
