"""Pairs of texts: what is read, and what is to be written (translation, summarisation)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from regard.tasks.readers.faults import label_fault, text_fault
from regard.tasks.readers.identity import Identity, fingerprint, joined_mark
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading


@dataclass(frozen=True, slots=True)
class Pair:
    """One pair. `group` (a file, say) is None where the data name none; `target` is "" where none was asked for."""

    number: int
    source: str
    target: str
    group: str | None = None

    @property
    def identity(self) -> Identity:
        """Marks by text, case and spaces aside: two targets of one source are no contradiction."""
        given = fingerprint(self.source)
        return Identity(joined_mark(given, fingerprint(self.target)), given, self.group)


def read_pairs(
    path: str | Path, *, source: str = "source", target: str | None = "target", group: str | None = None
) -> Reading[Pair]:
    """Reads pairs from a csv, tsv, jsonl or parquet file. `target=None`: sources alone, to be answered.

    A pair with an empty side is refused. `group`: the column whose rows stay together when rows are parted; by default
    "group", where there is one.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(source, target)
    group = group_column(records, group)
    only = [one for one in (source, target, group) if one is not None]
    return read_records(records, lambda record: pair(record, source, target, group), only=only)


def pair(record: Record, source: str, target: str | None, group: str | None) -> Pair | str:
    """A record's pair, or why it is none."""
    fields = record.fields
    reason = text_fault(fields.get(source), source)
    if not reason and target is not None:
        reason = text_fault(fields.get(target), target)
    if not reason and group is not None:
        reason = label_fault(fields.get(group), group, "group")
    if reason:
        return reason
    return Pair(
        record.number,
        fields[source],
        "" if target is None else fields[target],
        None if group is None else str(fields[group]),
    )
