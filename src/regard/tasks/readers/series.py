"""Series of numbers over time, in a long table (one value a row) or a wide one (one series a column).

Gaps are never filled. A series that has some is kept with the stretches between them, and no window may cross one.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.readers.faults import label_fault, number_of
from regard.tasks.readers.records import Record, Records, records_of
from regard.tasks.readers.times import Frequency, Kind, Times, frequency_of, time_of, written
from regard.tasks.table import Refused, judge_refused

Unsorted = Literal["refuse", "sort"]


@dataclass(frozen=True)
class Gap:
    """Times that a series lacks. after: the last time before it. missing: how many; None where the next time is no
    whole number of steps away."""

    series: str
    after: str
    missing: int | None

    def __str__(self) -> str:
        lacks = "the next time is out of step" if self.missing is None else f"{self.missing:,} missing"
        return f"series {self.series!r} after {self.after}: {lacks}"


@dataclass(frozen=True)
class Series:
    """One series. times (n,) rising; values (n,); covariates (n, columns); runs: stretches [start, stop) of no gap.

    kept: columns of words that were asked for, (n,) each.
    """

    name: str
    kind: Kind
    times: Times
    values: NDArray[np.float64]
    covariates: NDArray[np.float64]
    runs: tuple[tuple[int, int], ...]
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True)
class SeriesTable:
    """What was read from one file. `cells`: how many values there were, refused ones too."""

    name: str
    columns: tuple[str, ...]
    covariates: tuple[str, ...]
    series: tuple[Series, ...]
    refused: tuple[Refused, ...]
    cells: int
    frequency: Frequency | None
    gaps: tuple[Gap, ...]
    notes: tuple[str, ...] = ()

    def usable(self, *, skip_refused: bool = False) -> tuple[Series, ...]:
        """The series to work with; where rows were refused, only if going on without was asked for.

        Raises:
            DataError: a row was refused and `skip_refused` is False; or nothing is left.
        """
        count = len(self.refused)
        judge_refused(self.name, self.refused, refused=count, whole=self.cells, skip_refused=skip_refused)
        return self.series


@dataclass(frozen=True)
class _Asked:
    """How a file is to be read."""

    time: str
    covariates: tuple[str, ...]
    kept: tuple[str, ...]
    unsorted: Unsorted

    def words(self, record: Record) -> tuple[str, ...]:
        return tuple(str(record.fields.get(one)) for one in self.kept)


@dataclass
class _Gathered:
    """A series as its rows come in. lines: 0 where there are none; covariates: one row after the other."""

    numbers: array[int] = field(default_factory=lambda: array("q"))
    lines: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    covariates: array[float] = field(default_factory=lambda: array("d"))
    kept: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self, record: Record, time: int, value: float, covariates: Sequence[float] = (), kept: tuple[str, ...] = ()
    ) -> None:
        self.numbers.append(record.number)
        self.lines.append(record.line or 0)
        self.times.append(time)
        self.values.append(value)
        self.covariates.extend(covariates)
        self.kept.append(kept)


def read_series(
    path: str | Path,
    *,
    series: str = "series",
    time: str = "time",
    value: str = "value",
    covariates: Sequence[str] = (),
    kept: Sequence[str] = (),
    unsorted: Unsorted = "refuse",
) -> SeriesTable:
    """Reads series from a csv, tsv, jsonl or parquet file: long where it has the column `value`, else wide.

    In a long table without the column `series` all rows are of one. `kept`: columns of words that go with each time
    (which part a row is meant for, say). Refused are rows whose time or number is missing or none, times that occur
    again in a series, and rows whose time is before the row above them, unless `unsorted` is
    "sort": then they are sorted, and the notes count them.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(time, *covariates, *kept)
    asked = _Asked(time, tuple(covariates), tuple(kept), unsorted)
    refused: list[Refused] = []
    if value in records.columns:
        if series != "series":
            records.need(series)
        named = series if series in records.columns else None
        gathered, kind, cells = _long(records, asked, named, value, refused)
    else:
        gathered, kind, cells = _wide(records, asked, refused)
    found, moved = [], 0
    for name, one in gathered.items():
        made, late = _ordered(name, kind, one, asked, refused)
        found.append(made)
        moved += late
    frequency = frequency_of([(one.kind, one.times) for one in found])
    gaps: list[Gap] = []
    return SeriesTable(
        name=records.path.name,
        columns=records.columns,
        covariates=tuple(covariates),
        series=tuple(_parted(one, frequency, gaps) for one in found if len(one)),
        refused=tuple(sorted(refused, key=lambda one: one.number)),
        cells=cells,
        frequency=frequency,
        gaps=tuple(gaps),
        notes=(f"{moved:,} rows were not in order of time: they are sorted",) if moved else (),
    )


def _long(
    records: Records, asked: _Asked, series: str | None, value: str, refused: list[Refused]
) -> tuple[dict[str, _Gathered], Kind, int]:
    gathered: dict[str, _Gathered] = {}
    kind: Kind | None = None
    cells = 0
    only = [*([series] if series is not None else []), asked.time, value, *asked.covariates, *asked.kept]
    for record in records.each(only):
        cells += 1
        fields = record.fields
        when = record.broken or time_of(fields.get(asked.time), asked.time)
        reason = when if isinstance(when, str) else ""
        if not reason and series is not None:
            reason = label_fault(fields.get(series), series, "series")
        numbers = [number_of(fields.get(one), one) for one in (value, *asked.covariates)]
        reason = reason or next((fault for _, fault in numbers if fault), "") or _other_kind(when, kind)
        if reason or isinstance(when, str):
            refused.append(Refused(record.number, record.line, reason))
            continue
        kind = when[0]
        name = records.path.stem if series is None else str(fields[series])
        (first, _), *others = numbers
        gathered.setdefault(name, _Gathered()).add(
            record, when[1], first, [number for number, _ in others], asked.words(record)
        )
    return gathered, kind or "step", cells


def _wide(records: Records, asked: _Asked, refused: list[Refused]) -> tuple[dict[str, _Gathered], Kind, int]:
    names = [one for one in records.columns if one not in (asked.time, *asked.covariates, *asked.kept)]
    if not names:
        raise DataError(
            f"{records.path.name} has no series: beside {asked.time!r} it needs a column 'value', or a column a series"
        )
    gathered = {name: _Gathered() for name in names}
    empty: dict[str, list[Refused]] = {name: [] for name in names}  # held back: after the last value they are no fault
    kind: Kind | None = None
    cells = 0
    for record in records.each():
        cells += len(names)
        fields = record.fields
        when = record.broken or time_of(fields.get(asked.time), asked.time)
        known = [number_of(fields.get(one), one) for one in asked.covariates]
        reason = when if isinstance(when, str) else next((fault for _, fault in known if fault), "")
        reason = reason or _other_kind(when, kind)
        if reason or isinstance(when, str):
            refused.extend(Refused(record.number, record.line, reason) for _ in names)
            continue
        kind = when[0]
        for name in names:
            number, fault = number_of(fields.get(name), name)
            if not fault:
                refused.extend(empty[name])
                empty[name].clear()
                gathered[name].add(record, when[1], number, [one for one, _ in known], asked.words(record))
            elif fault != f"no number in column {name!r}":
                refused.append(Refused(record.number, record.line, fault))
            elif len(gathered[name].times):
                empty[name].append(Refused(record.number, record.line, fault))
    return gathered, kind or "step", cells


def _other_kind(when: tuple[Kind, int] | str, kind: Kind | None) -> str:
    if isinstance(when, str) or kind is None or when[0] == kind:
        return ""
    words = {"date": "a date", "step": "a whole number"}
    return f"the time is {words[when[0]]}, those before it are not: expected {words[kind]}"


def _ordered(name: str, kind: Kind, rows: _Gathered, asked: _Asked, refused: list[Refused]) -> tuple[Series, int]:
    """(the series in order of time, how many rows were moved); rows that cannot stay are refused."""
    times = np.array(rows.times, dtype=np.int64)
    late = np.zeros(len(times), dtype=bool)
    late[1:] = times[1:] < np.maximum.accumulate(times)[:-1]
    order = np.argsort(times, kind="stable")
    again = np.zeros(len(times), dtype=bool)
    again[order[1:]] = times[order[1:]] == times[order[:-1]]
    first = {int(times[place]): rows.numbers[place] for place in order if not again[place]} if again.any() else {}
    for place in np.flatnonzero(again | (late if asked.unsorted == "refuse" else again)):
        said = f"time {written(int(times[place]), kind)} of series {name!r}"
        reason = (
            f"{said} occurs again (first in row {first[int(times[place])]})"
            if again[place]
            else f"{said} is before that of the row above it, expected rising times (to sort: series.unsorted=sort)"
        )
        refused.append(Refused(rows.numbers[place], rows.lines[place] or None, reason))
    kept = order[~again[order]] if asked.unsorted == "sort" else order[~(again | late)[order]]
    values = np.array(rows.values, dtype=np.float64)[kept]
    covariates = np.array(rows.covariates, dtype=np.float64).reshape(len(times), len(asked.covariates))[kept]
    words = {one: tuple(rows.kept[place][number] for place in kept) for number, one in enumerate(asked.kept)}
    moved = int((late & ~again).sum()) if asked.unsorted == "sort" else 0
    return Series(name, kind, times[kept], values, covariates, (), words), moved


def _parted(series: Series, frequency: Frequency | None, gaps: list[Gap]) -> Series:
    """The series with its stretches; its gaps are added to `gaps`."""
    breaks: list[int] = []
    if frequency is not None and len(series) > 1:
        steps = frequency.steps(series.times)
        for place in np.flatnonzero(steps != 1):
            whole = steps[place].is_integer() and steps[place] > 1
            gaps.append(
                Gap(
                    series.name,
                    written(int(series.times[place]), series.kind),
                    int(steps[place]) - 1 if whole else None,
                )
            )
            breaks.append(int(place) + 1)
    edges = [0, *breaks, len(series)]
    return replace(series, runs=tuple(pairwise(edges)))
