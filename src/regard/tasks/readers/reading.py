"""From records to rows: each is judged once, and either used or refused with its number and the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from regard.tasks.readers.records import Record, Records
from regard.tasks.table import Reading, Refused

R = TypeVar("R")

Judge = Callable[[Record], R | str]  # a record's row, or why it is none


def read_records(records: Records, judge: Judge[R], *, only: Sequence[str] | None = None) -> Reading[R]:
    """Judges every record of a file. `only`: the columns that the judge looks at, which spares reading the others."""
    rows: list[R] = []
    refused: list[Refused] = []
    for record in records.each(only):
        found = record.broken or judge(record)
        if isinstance(found, str):
            refused.append(Refused(record.number, record.line, found))
        else:
            rows.append(found)
    return Reading(records.path.name, records.columns, tuple(rows), tuple(refused))


def group_column(records: Records, group: str | None) -> str | None:
    """The column that names rows' groups: the one asked for, or "group" where there is one.

    Raises:
        DataError: the one asked for is not there.
    """
    records.need(group)
    return "group" if group is None and "group" in records.columns else group
