"""What `regard check` says of data of any kind, as a value: facts, small tables, warnings, and why not to train."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from regard.spec.value import few
from regard.tasks.readers.identity import Parted
from regard.tasks.table import Refused

NUMBERS = ("least", "most")  # the `ends` of what is not long or short
_CLASSES = 20  # that are listed one by one


@dataclass(frozen=True)
class Sheet:
    """A small table: its first column is words, the others are numbers. `more`: how many rows were left out."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0


@dataclass(frozen=True)
class Listing:
    """Lines under a title. `title` ends without a colon."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """One report.

    unit: what is counted, in the plural (rows, pictures, series); usable: how many there are. facts: sentences without
    a full stop. faults: why it cannot be trained on as it is, each with what to do; none where it can. good: the
    sentence that says that it can.
    """

    name: str
    kind: str
    unit: str
    usable: int
    columns: tuple[str, ...]
    refused: tuple[Refused, ...]
    sheets: tuple[Sheet, ...] = ()
    facts: tuple[str, ...] = ()
    listings: tuple[Listing, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    good: str = "It can be trained on."

    @property
    def trainable(self) -> bool:
        return not self.faults


def spread(
    values: Sequence[float] | Sequence[int],
    what: str,
    *,
    form: str = ",",
    ends: tuple[str, str] = ("shortest", "longest"),
) -> str:
    """How values lie, in a sentence: `what`, the least, the median, what nine of ten do not exceed, the most.

    `form`: how each is written. `ends`: what the first and the last are called.
    """
    sizes = np.sort(np.asarray(values))
    ninety, median = sizes[int(np.ceil(0.9 * len(sizes))) - 1], sizes[(len(sizes) - 1) // 2]
    least, middle, nine, most = (format(one.item(), form) for one in (sizes[0], median, ninety, sizes[-1]))
    return f"{what}: {ends[0]} {least}, median {middle}, nine of ten at most {nine}, {ends[1]} {most}"


def counted(names: Iterable[str], header: tuple[str, str, str]) -> Sheet:
    """How often each name occurs, most frequent first, with its share."""
    counts = Counter(names)
    whole = sum(counts.values())
    rows = [(name, f"{count:,}", f"{count / whole:.1%}") for name, count in counts.most_common(_CLASSES)]
    return Sheet(header, tuple(rows), max(len(counts) - _CLASSES, 0))


def refused_fault(refused: int) -> tuple[str, ...]:
    """What refused rows ask for."""
    remedy = "correct them, or train without them: --set data.skip_refused=true"
    return (f"{refused:,} refused rows ({remedy})",) if refused else ()


def few_fault(count: int, unit: str, least: int = 3) -> tuple[str, ...]:
    """Too few to have a training, a validation and a test part."""
    return (f"{count:,} {unit} (expected at least {least}, one for each part; add some)",) if count < least else ()


def class_faults(labels: Iterable[str]) -> tuple[str, ...]:
    """Classes that cannot be both learned and tested, or only one of them."""
    counts = Counter(labels)
    once = tuple(f"label {name!r} occurs once (add rows or remove it)" for name, count in counts.items() if count == 1)
    return (*once, *((f"{len(counts)} labels (expected at least 2; add rows)",) if len(counts) < 2 else ()))


def repeats(
    rows: Sequence[Parted], test: Sequence[Parted] | None, what: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(facts, warnings) on rows that occur again, in the file itself and in the one that is meant as its test part."""
    known = [row.identity for row in rows]
    again = len(known) - len({one.whole for one in known})
    labels: dict[int, set[str]] = {}
    for one in known:
        labels.setdefault(one.given, set()).add(one.label)
    against = [row.number for row in rows if len(labels[row.identity.given]) > 1]
    facts = [f"duplicates (training keeps the first of each): {again:,}"]
    if against:
        facts.append(
            f"one {what} with several labels (training leaves them out): {len(against):,} rows ({few(against)})"
        )
    groups = {one.group for one in known if one.group is not None}
    if groups:
        facts.append(f"groups (rows of one group go to one part): {len(groups):,}")
    if test is None:
        return tuple(facts), ()
    there = {row.identity.given for row in test}
    shared = sum(one.given in there for one in known)
    facts.append(f"rows whose {what} is also in the test file: {shared:,}")
    warning = f"{shared:,} rows have a {what} that is also in the test file: training leaves them out"
    return tuple(facts), (warning,) if shared else ()
