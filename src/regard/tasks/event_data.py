"""People's events: from files to sequences of items, the same for training and for a trained run.

Each user's last event is tested, the one before it chooses the best epoch, and all others train. "Last" goes by time;
events of one time stay in the order of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener, Note
from regard.tasks.memory_part import MemoryPart
from regard.tasks.origin import data_paths, digest_of
from regard.tasks.readers.events import Events, leave_last_out, read_events
from regard.tasks.readers.identity import exact_mark
from regard.tasks.sections import EventSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Asked, Given, Prepared, Setup

Items = NDArray[np.int64]


@dataclass(frozen=True)
class EventBatch:
    """items and times (batch, len) int64, lengths (batch,); targets (batch, len): the item after each, -1 where that
    is not asked; truths (batch,): the last one. before (batch,): what each user had had before the row's first item;
    None where an item may come again."""

    items: Tensor
    times: Tensor
    lengths: Tensor
    targets: Tensor
    truths: Items
    before: tuple[Items, ...] | None

    def __len__(self) -> int:
        return self.items.shape[0]

    @property
    def tokens(self) -> int:
        return int(self.lengths.sum())

    @property
    def places(self) -> int:
        return self.items.numel()

    def to(self, device: torch.device) -> EventBatch:
        """The same batch on another device; what ranks stays where it is."""
        items, times, lengths, targets = (
            one.to(device) for one in (self.items, self.times, self.lengths, self.targets)
        )
        return EventBatch(items, times, lengths, targets, self.truths, self.before)


@dataclass(frozen=True)
class Told:
    """One row: items that are read, with their times, and those that come after each; before: what the user had had
    before the first of them."""

    items: Items
    times: Items
    targets: Items
    before: Items


def digest_events(settings: Settings, listen: Listener) -> str:
    """What the bytes of the events come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "events", listen)


def prepare_events(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of a run that recommends. Facts: the items there are.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read.
    """
    (path,) = data_paths(settings.data, "events", listen)
    asked = settings.section(EventSettings)
    events = _read(path, settings, {}, least=asked.least).usable(skip_refused=settings.data.skip_refused)
    if events.refused:
        listen(Note(f"{events.name}: {len(events.refused):,} rows cannot be used and are left out"))
    held = leave_last_out(events)
    starts = events.starts
    spans = zip(starts[:-1], starts[1:] - 2, strict=True)
    train = part_of([row for span in spans for row in _stretches(events, *span, asked)], again=asked.again)
    setup = Setup(decided_epochs(settings, train, listen), {"items": list(events.item_names)})
    listen(
        Note(
            f"{len(events.user_names):,} users, {len(events.item_names):,} items; each user's last event is tested, "
            "the one before it validates; events of one time stay in the file's order"
        )
    )
    seen = "ranked" if asked.again else "left-out"
    return Prepared(
        setup=setup,
        train=train,
        validation=part_of([_asked(events, starts, place, asked) for place in held.validation], again=asked.again),
        test=part_of([_asked(events, starts, place, asked) for place in held.test], again=asked.again),
        protocol=f"part:test(each user's last event)|rows:{len(held.test)}|equal-times:file-order|had-items:{seen}"
        f"|items:{len(events.item_names)}",
        counts={"train": len(held.train), "validation": len(held.validation), "test": len(held.test)},
        marks=np.sort(_marks(events, np.concatenate([held.train, held.validation]))),
        rows=(events, held),
    )


def read_more_events(asked: Asked, setup: Setup) -> Given:
    """Users of a file for a trained run: with `asked.truths` each one's last event is asked for, else the next.

    Raises:
        DataError: the file cannot be read, a row cannot be used (an item that the run does not know, say).
    """
    least = 2 if asked.truths else 1
    found = _read(asked.path, setup.settings, asked.columns, least=least, known=setup.facts["items"])
    events = _numbered(found.usable(skip_refused=asked.skip_refused), setup.facts["items"])
    ends = events.starts[1:]
    section = setup.settings.section(EventSettings)
    if asked.truths:
        rows = [_asked(events, events.starts, end - 1, section) for end in ends]
    else:
        rows = [_next(events, first, end, section) for first, end in zip(events.starts, ends, strict=False)]
    shown = events.user_names
    numbers = tuple(int(events.numbers[end - 1]) for end in ends)
    marks = _marks(events, np.arange(len(events)))
    part = part_of(rows, again=section.again)
    within = np.split(marks, ends[:-1])
    return Given(found.name, part, numbers, shown, len(found.refused), marks[ends - 1], within)


def part_of(rows: Sequence[Told], *, again: bool) -> MemoryPart:
    """Rows as a part; its truths are the items that come last. again: may an item come that the user has had?

    Raises:
        DataError: there are none.
    """
    if not rows:
        raise DataError("no user has two events to learn from, expected three events of a user or more")
    truths = np.array([row.targets[-1] for row in rows], dtype=np.int64)
    return MemoryPart(np.array([len(row.items) for row in rows]), _collator(rows, truths, again), truths)


def histories(rows: tuple[Events, Any]) -> tuple[list[Items], Items]:
    """(each user's items up to the one that is tested, the tested items), for the baselines."""
    events, held = rows
    starts = events.starts
    return [events.items[starts[events.users[place]] : place] for place in held.test], events.items[held.test]


def _collator(rows: Sequence[Told], truths: Items, again: bool) -> Callable[[NDArray[np.int64]], EventBatch]:
    def collate(wanted: NDArray[np.int64]) -> EventBatch:
        chosen = [rows[row] for row in wanted]
        lengths = np.array([len(row.items) for row in chosen])
        shape = (len(chosen), int(lengths.max()))
        items, times, targets = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -1)
        for place, row in enumerate(chosen):
            many = len(row.items)
            items[place, :many], times[place, :many], targets[place, :many] = row.items, row.times, row.targets
        before = None if again else tuple(row.before for row in chosen)
        tensors = [torch.from_numpy(one) for one in (items, times, lengths, targets)]
        return EventBatch(tensors[0], tensors[1], tensors[2], tensors[3], truths[wanted], before)

    return collate


def _stretches(events: Events, first: int, end: int, asked: EventSettings) -> list[Told]:
    """A user's events from `first` to before `end`, cut into stretches from the end; every item but the first is told
    once."""
    found = []
    while end - first > 1:
        begin = max(first, end - 1 - asked.longest)
        here, after = slice(begin, end - 1), slice(begin + 1, end)
        found.append(Told(events.items[here], events.times[here], events.items[after], events.items[first:begin]))
        end = begin + 1
    return found


def _asked(events: Events, starts: Items, place: int, asked: EventSettings) -> Told:
    """The row that asks for the event at a place, from those of the same user before it."""
    first = starts[events.users[place]]
    row = _next(events, first, place, asked)
    row.targets[-1] = events.items[place]
    return row


def _next(events: Events, first: int, end: int, asked: EventSettings) -> Told:
    begin = max(first, end - asked.longest)
    before = events.items[first:begin]
    return Told(events.items[begin:end], events.times[begin:end], np.full(end - begin, -1), before)


def _read(
    path: Path, settings: Settings, columns: Mapping[str, str], *, least: int, known: Sequence[str] | None = None
) -> Events:
    named = {**settings.data.columns, **columns}
    roles = {role: named.get(role, role) for role in ("user", "item", "time")}
    return read_events(path, **roles, least=least, known_items=known)


def _numbered(events: Events, names: Sequence[str]) -> Events:
    """The events with items numbered as in training."""
    places = {name: place for place, name in enumerate(names)}
    moved = np.array([places[name] for name in events.item_names], dtype=np.int64)
    return replace(events, items=moved[events.items], item_names=tuple(names))


def _marks(events: Events, places: Items) -> NDArray[np.int64]:
    """64 bits of each of these events: who, what, when."""
    found = (
        exact_mark(
            events.user_names[events.users[one]].encode(),
            events.item_names[events.items[one]].encode(),
            str(events.times[one]).encode(),
        )
        for one in places.tolist()
    )
    return np.fromiter(found, dtype=np.int64, count=len(places))
