"""Events: who did something with which item, and when (what was bought, heard, rated)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.tasks.readers.faults import label_fault, number_of
from regard.tasks.readers.records import records_of
from regard.tasks.readers.times import Kind, time_of
from regard.tasks.table import Refused, judge_refused


@dataclass(frozen=True)
class Events:
    """Events in order of user, then time, then place in the file. All of (events,).

    users, items: places in `user_names` and `item_names` (in order of name); times: seconds since 1970, or steps;
    values: NaN where the data have none; numbers: rows of the file, from 1.
    """

    name: str
    columns: tuple[str, ...]
    user_names: tuple[str, ...]
    item_names: tuple[str, ...]
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    times: NDArray[np.int64]
    values: NDArray[np.float64]
    numbers: NDArray[np.int64]
    kind: Kind
    refused: tuple[Refused, ...]
    again: int  # events that occur again: one user, item and time
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.users)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each user's events begin, and the end: user i has events `starts[i]` to `starts[i + 1]`."""
        return np.searchsorted(self.users, np.arange(len(self.user_names) + 1))

    def usable(self, *, skip_refused: bool = False) -> Events:
        """Itself; where rows were refused, only if going on without was asked for.

        Raises:
            DataError: a row was refused and `skip_refused` is False; or no event is left.
        """
        count = len(self.refused)
        judge_refused(self.name, self.refused, refused=count, whole=len(self) + count, skip_refused=skip_refused)
        return self


@dataclass(frozen=True)
class LastOut:
    """Places of events: each user's last one to test, the one before to validate, the others to train. Users of two
    events have no validation event."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def read_events(
    path: str | Path,
    *,
    user: str = "user",
    item: str = "item",
    time: str = "time",
    value: str | None = None,
    least: int = 2,
    known_items: Iterable[str] | None = None,
) -> Events:
    """Reads events from a csv, tsv, jsonl or parquet file, in any order.

    Refused are rows without a user, an item or a time, users of fewer than `least` events (one event cannot be both
    learned and tested), and, with `known_items`, items that are none of them (a test file's that no training row has).
    An event that occurs again is kept and counted.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column.
    """
    records = records_of(path)
    records.need(user, item, time, value)
    known = None if known_items is None else frozenset(known_items)
    only = [one for one in (user, item, time, value) if one is not None]
    rows = _Rows()
    kind: Kind | None = None
    for record in records.each(only):
        fields = record.fields
        when = record.broken or time_of(fields.get(time), time)
        number, fault = (float("nan"), "") if value is None else number_of(fields.get(value), value)
        reason = (
            (when if isinstance(when, str) else "")
            or label_fault(fields.get(user), user, "user")
            or label_fault(fields.get(item), item, "item")
            or fault
        )
        if not reason and kind is not None and when[0] != kind:
            reason = f"column {time!r} holds a {when[0]}, those before it are {kind}s"
        if not reason and known is not None and str(fields[item]) not in known:
            reason = f"item {str(fields[item])!r} occurs in no training row"
        if reason or isinstance(when, str):
            rows.refused.append(Refused(record.number, record.line, reason))
            continue
        kind = when[0]
        rows.add(str(fields[user]), str(fields[item]), when[1], number, record.number, record.line or 0)
    rows.refuse_rare(least)
    return rows.events(records.path.name, records.columns, kind or "step")


def leave_last_out(events: Events) -> LastOut:
    """Parts events by time: what each user did last is what is to be foretold."""
    starts, ends = events.starts[:-1], events.starts[1:]
    sizes = ends - starts
    test = ends[sizes >= 2] - 1
    validation = ends[sizes >= 3] - 2
    held = np.zeros(len(events), dtype=bool)
    held[test] = held[validation] = True
    return LastOut(np.flatnonzero(~held), validation, test)


class _Rows:
    """Events as they come in; names as numbers in order of first occurrence."""

    def __init__(self) -> None:
        self.user_names: dict[str, int] = {}
        self.item_names: dict[str, int] = {}
        self.users, self.items, self.times = array("q"), array("q"), array("q")
        self.values, self.numbers, self.lines = array("d"), array("q"), array("q")
        self.refused: list[Refused] = []
        self.kept: NDArray[np.bool_] = np.empty(0, dtype=bool)

    def add(self, user: str, item: str, time: int, value: float, number: int, line: int) -> None:
        self.users.append(self.user_names.setdefault(user, len(self.user_names)))
        self.items.append(self.item_names.setdefault(item, len(self.item_names)))
        self.times.append(time)
        self.values.append(value)
        self.numbers.append(number)
        self.lines.append(line)

    def refuse_rare(self, least: int) -> None:
        """Refuses the rows of users with fewer than `least` events."""
        users = np.array(self.users, dtype=np.int64)
        counts = np.bincount(users, minlength=len(self.user_names))
        self.kept = counts[users] >= least
        names = list(self.user_names)
        for place in np.flatnonzero(~self.kept):
            count = int(counts[users[place]])
            said = "one event" if count == 1 else f"{count} events"
            reason = f"user {names[users[place]]!r} has {said}, expected at least {least}"
            self.refused.append(Refused(self.numbers[place], self.lines[place] or None, reason))
        self.refused.sort(key=lambda one: one.number)

    def events(self, name: str, columns: tuple[str, ...], kind: Kind) -> Events:
        user_names, users = _by_name(list(self.user_names), np.array(self.users, dtype=np.int64)[self.kept])
        item_names, items = _by_name(list(self.item_names), np.array(self.items, dtype=np.int64)[self.kept])
        times, values, numbers = (np.array(one)[self.kept] for one in (self.times, self.values, self.numbers))
        order = np.lexsort((numbers, times, users))
        whole = Counter(zip(users.tolist(), items.tolist(), times.tolist(), strict=True))
        return Events(
            name, columns, user_names, item_names, users[order], items[order], times[order], values[order],
            numbers[order], kind, tuple(self.refused), sum(count - 1 for count in whole.values()),
        )  # fmt: skip


def _by_name(names: Sequence[str], places: NDArray[np.int64]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The names that occur, sorted, and each row's place among them."""
    there = sorted({names[place] for place in np.unique(places)})
    number = {name: place for place, name in enumerate(there)}
    moved = np.array([number.get(name, -1) for name in names], dtype=np.int64)
    return tuple(there), moved[places] if len(places) else places
