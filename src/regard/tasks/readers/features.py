"""Tables of features: columns of numbers and of categories, cells that may be empty, and what is to be told.

What kind a column is, is found from all of its cells or named; after that each cell is checked against it. An empty
cell stays empty (None): nothing is put in its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from regard.spec.errors import DataError
from regard.tasks.readers.faults import label_fault, number_of
from regard.tasks.readers.identity import Identity, exact_mark
from regard.tasks.readers.reading import read_records
from regard.tasks.readers.records import Record, Records, listed, records_of
from regard.tasks.table import Reading

Kind = Literal["number", "category"]
Cell = float | str | None

_SURE = 0.9  # share of a column's cells that are numbers, for it to be one of numbers


@dataclass(frozen=True, slots=True)
class Column:
    """One feature: what it is called, and what its cells hold."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Thing:
    """One row. values: in the order of the columns, None where the cell is empty; label: its class, "" without one;
    target: the number to be told, None without one."""

    number: int
    values: tuple[Cell, ...]
    label: str = ""
    target: float | None = None

    @property
    def identity(self) -> Identity:
        values = repr(self.values).encode()
        answer = repr((self.label, self.target)).encode()
        return Identity(exact_mark(values, answer), exact_mark(values), label=self.label)


@dataclass(frozen=True)
class TypedAs:
    """What is said of columns beforehand: their kinds, those that are not read, and words for an empty cell ("NA")."""

    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()

    def missing(self, cell: Any) -> bool:
        """Is the cell empty?"""
        if isinstance(cell, str):
            return not cell.strip() or cell.strip() in self.empty
        return cell is None or (isinstance(cell, float) and math.isnan(cell))


@dataclass
class _Seen:
    """Of one column: cells that are not empty, those of them that are numbers, and the first that is none."""

    filled: int = 0
    numbers: int = 0
    odd: list[str] = field(default_factory=list)


_AS_FOUND = TypedAs()


def columns_of(
    path: str | Path, *, besides: Sequence[str], typed: TypedAs = _AS_FOUND
) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    """(the features of a file, what there is to be said of them). besides: columns that are no features.

    A column is of numbers where nine in ten of its cells that are not empty are, unless it is named otherwise.

    Raises:
        DataError: the file cannot be read, lacks a column that is named, or has no feature.
    """
    records = records_of(path)
    records.need(*besides, *typed.numbers, *typed.categories, *typed.skip)
    names = [name for name in records.columns if name not in (*besides, *typed.skip)]
    if not names:
        raise DataError(f"{records.path.name} has no column beside {listed(besides)}, expected at least one feature")
    seen = _counted(records, names, typed)
    columns, notes = [], []
    for name in names:
        one = seen[name]
        kind: Kind = "number" if name in typed.numbers else "category"
        if name not in (*typed.numbers, *typed.categories) and one.filled:
            kind = "number" if one.numbers >= _SURE * one.filled else "category"
        if not one.filled:
            notes.append(f"column {name!r} is empty, and is not read")
            continue
        columns.append(Column(name, kind))
        if kind == "category" and 2 * one.numbers >= one.filled and name not in typed.categories:
            notes.append(
                f"column {name!r} is taken for categories: {one.filled - one.numbers:,} of {one.filled:,} cells are no "
                f"numbers, such as {one.odd[0]!r}"
            )
    if not columns:
        raise DataError(f"{records.path.name}: all columns beside {listed(besides)} are empty, expected a feature")
    return tuple(columns), tuple(notes)


def read_features(
    path: str | Path,
    columns: Sequence[Column],
    *,
    label: str | None = None,
    target: str | None = None,
    typed: TypedAs = _AS_FOUND,
) -> Reading[Thing]:
    """Reads rows. `label` names the column of a class, `target` that of a number. Refused are rows with a cell that is
    neither empty nor of its column's kind, and those without a class or number to tell.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    names = [column.name for column in columns]
    records.need(*names, label, target)

    def judge(record: Record) -> Thing | str:
        found = [_cell(record.fields.get(column.name), column, typed) for column in columns]
        reason = next((fault for _, fault in found if fault), "")
        if not reason and label is not None:
            reason = label_fault(record.fields.get(label), label)
        told, fault = (None, "") if target is None else number_of(record.fields.get(target), target)
        if reason or fault:
            return reason or fault
        values = tuple(value for value, _ in found)
        return Thing(record.number, values, "" if label is None else str(record.fields[label]), told)

    only = [*names, *(one for one in (label, target) if one is not None)]
    reading = read_records(records, judge, only=only)
    empty = sum(None in row.values for row in reading.rows)
    notes = (f"{empty:,} rows have empty cells, which are told as missing",) if empty else ()
    return Reading(reading.name, tuple(names), reading.rows, reading.refused, notes)


def _counted(records: Records, names: Sequence[str], typed: TypedAs) -> dict[str, _Seen]:
    seen = {name: _Seen() for name in names}
    for record in records.each(names):
        if record.broken:
            continue
        for name, one in seen.items():
            cell = record.fields.get(name)
            if typed.missing(cell):
                continue
            one.filled += 1
            fault = number_of(cell, name)[1]
            one.numbers += not fault
            if fault and not one.odd:
                one.odd.append(str(cell)[:40])
    return seen


def _cell(cell: Any, column: Column, typed: TypedAs) -> tuple[Cell, str]:
    if typed.missing(cell):
        return None, ""
    if column.kind == "number":
        return number_of(cell, column.name)
    told = str(cell) if isinstance(cell, bool | float) else cell
    return (str(told), "") if not (fault := label_fault(told, column.name, "category")) else (None, fault)
