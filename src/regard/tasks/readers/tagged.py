"""Words with a tag each: two lists of one length in every row of a jsonl or parquet file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.tasks.readers.faults import bad_byte, label_fault
from regard.tasks.readers.identity import Identity, exact_mark
from regard.tasks.readers.reading import group_column, read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading


@dataclass(frozen=True, slots=True)
class Tagged:
    """One sentence. `tags` is empty where none were asked for."""

    number: int
    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    group: str | None = None

    @property
    def identity(self) -> Identity:
        """By the tokens exactly: case may decide a tag."""
        tokens = "\n".join(self.tokens).encode()
        return Identity(exact_mark(tokens, "\n".join(self.tags).encode()), exact_mark(tokens), self.group)


def read_tagged(
    path: str | Path, *, tokens: str = "tokens", tags: str | None = "tags", group: str | None = None
) -> Reading[Tagged]:
    """Reads tagged sentences. Refused are rows whose lists are empty, of two lengths, or hold something else than text.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(tokens, tags)
    group = group_column(records, group)

    def judge(record: Record) -> Tagged | str:
        words = _texts(record.fields.get(tokens), tokens)
        named = () if tags is None else _texts(record.fields.get(tags), tags)
        if isinstance(words, str) or isinstance(named, str):
            return words if isinstance(words, str) else str(named)
        if tags is not None and len(words) != len(named):
            return f"{len(named)} tags for {len(words)} tokens, expected one for each"
        reason = "" if group is None else label_fault(record.fields.get(group), group, "group")
        return reason or Tagged(record.number, words, named, None if group is None else str(record.fields[group]))

    return read_records(records, judge, only=[one for one in (tokens, tags, group) if one is not None])


def _texts(value: Any, column: str) -> tuple[str, ...] | str:
    if not isinstance(value, list) or not value:
        return f"column {column!r} holds no list of texts"
    for place, one in enumerate(value, start=1):
        if not isinstance(one, str) or not one.strip():
            return f"column {column!r} holds {one!r} at place {place}, expected text"
        if bad_byte(one):
            return f"broken UTF-8 in column {column!r} at place {place}: {bad_byte(one)}"
    return tuple(value)
