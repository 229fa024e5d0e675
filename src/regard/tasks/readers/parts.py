"""Rows of any kind in three parts, the same way every time: by hash of what each is known by, or of its group.

As in `tasks.split`, which does this for labelled texts, the order of the file does not matter, and no part holds what
another was trained on. Rows of one group (a file, a speaker) go to one part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from regard.spec.errors import DataError
from regard.tasks.readers.identity import Identity, Parted

P = TypeVar("P", bound=Parted)

_Known = tuple[P, Identity]


@dataclass(frozen=True)
class Parts(Generic[P]):
    """Rows in three parts, and how many were left out.

    duplicates: rows of which all was in an earlier row. contradictions: rows with one input and several labels. leaked:
    rows whose input is also in a part that comes before theirs, of test, validation, training.
    """

    train: tuple[P, ...]
    validation: tuple[P, ...]
    test: tuple[P, ...]
    duplicates: int
    contradictions: int
    leaked: int
    seed: int


def part_rows(
    rows: Sequence[P],
    *,
    test_rows: float,
    validation_rows: float,
    seed: int,
    given_test: Sequence[P] | None = None,
    train_rows: int | None = None,
) -> Parts[P]:
    """Parts rows. Counts: whole numbers of rows, or shares below 1 of those left after duplicates are out.

    Groups are never cut, so that counts are met as nearly as the groups allow; rows with labels (and no groups) keep
    their proportions in every part. With `given_test` that is the test part. `train_rows` keeps only so many to train,
    in the same proportions.

    Raises:
        DataError: a part would be empty.
    """
    known, duplicates, contradictions = _unique(rows)
    test: list[_Known[P]] = []
    if given_test is not None:
        test, again, against = _unique(given_test)
        duplicates, contradictions = duplicates + again, contradictions + against
    pools = _pools(known, seed)
    if given_test is None:
        test = _take(pools, _count(test_rows, len(known)), "test")
    validation = _take(pools, _count(validation_rows, len(known)), "validation")
    train = [one for units in pools.values() for unit in units for one in unit]
    validation, first = _without(validation, test)
    train, second = _without(train, [*test, *validation])
    for name, part in (("training", train), ("validation", validation), ("test", test)):
        if not part:
            raise DataError(
                f"of {len(rows):,} rows none is left for the {name} part ({duplicates:,} duplicates, "
                f"{first + second:,} also in another part); give more rows, or other counts"
            )
    if train_rows is not None:
        train = _fewer(train, train_rows)
    return Parts(_rows(train), _rows(validation), _rows(test), duplicates, contradictions, first + second, seed)


def _rows(known: Sequence[_Known[P]]) -> tuple[P, ...]:
    return tuple(row for row, _ in known)


def _unique(rows: Sequence[P]) -> tuple[list[_Known[P]], int, int]:
    """(rows with what each is known by, duplicates left out, contradictions left out)."""
    first: dict[int, _Known[P]] = {}
    labels: dict[int, set[str]] = {}
    for row in rows:
        one = row.identity
        first.setdefault(one.whole, (row, one))
        labels.setdefault(one.given, set()).add(one.label)
    known = [pair for pair in first.values() if len(labels[pair[1].given]) == 1]
    contradictions = sum(len(labels[row.identity.given]) > 1 for row in rows)
    return known, len(rows) - contradictions - len(known), contradictions


def _pools(known: Sequence[_Known[P]], seed: int) -> dict[str, list[list[_Known[P]]]]:
    """Label -> units of rows that stay together, in an order that only marks and seed decide. Rows in groups are all in
    one pool."""
    units: dict[tuple[str, str], list[_Known[P]]] = {}
    for row, one in known:
        key = ("", f"group {one.group}") if one.group is not None else (one.label, str(one.given))
        units.setdefault(key, []).append((row, one))
    pools: dict[str, list[tuple[bytes, list[_Known[P]]]]] = {}
    for (label, name), unit in units.items():
        place = hashlib.blake2b(f"{seed}:{name}".encode("utf-8", "surrogateescape"), digest_size=16).digest()
        pools.setdefault(label, []).append((place, unit))
    return {label: [unit for _, unit in sorted(pools[label], key=lambda pair: pair[0])] for label in sorted(pools)}


def _count(wanted: float, whole: int) -> int:
    if wanted >= 1 and wanted != int(wanted):
        raise DataError(f"{wanted} rows were asked for, expected a whole number of rows, or a share below 1")
    return int(wanted) if wanted >= 1 else round(wanted * whole)


def _take(pools: dict[str, list[list[_Known[P]]]], count: int, name: str) -> list[_Known[P]]:
    """Removes about `count` rows from the pools, of each in proportion to its size, and at least one unit of each."""
    whole = sum(len(unit) for units in pools.values() for unit in units)
    if count >= whole:
        raise DataError(
            f"the {name} part asks for {count} rows of {whole}, which leaves none to train on; ask for fewer"
        )
    taken: list[_Known[P]] = []
    for label, units in pools.items():
        there = sum(map(len, units))
        wanted = count * there / whole
        if len(units) < 2:
            what = f"label {label!r} has" if label else "the rows have"
            raise DataError(f"{what} one unit of rows that stay together, expected one for each part; add rows")
        mine: list[_Known[P]] = []
        left: list[list[_Known[P]]] = []
        for unit in units:  # a unit is taken where that brings the count nearer to what is wanted
            nearer = len(mine) + len(unit) / 2 <= wanted
            if nearer and len(left) + 1 < len(units):
                mine += unit
            else:
                left.append(unit)
        if not mine:
            smallest = min(range(len(left)), key=lambda place: len(left[place]))
            mine = left.pop(smallest)
        taken += mine
        pools[label] = left
    return taken


def _fewer(train: Sequence[_Known[P]], count: int) -> list[_Known[P]]:
    """`count` rows, of each label in proportion to how many it has (to a row), the first in their order."""
    pools: dict[str, list[_Known[P]]] = {}
    for pair in train:
        pools.setdefault("" if pair[1].group is not None else pair[1].label, []).append(pair)
    kept: list[_Known[P]] = []
    before = 0
    for rows in pools.values():
        after = before + len(rows)
        kept += rows[: count * after // len(train) - count * before // len(train)]
        before = after
    return kept


def _without(rows: Sequence[_Known[P]], other: Sequence[_Known[P]]) -> tuple[list[_Known[P]], int]:
    """The rows whose input is not in another part, and how many were left out."""
    there = {one.given for _, one in other}
    kept = [pair for pair in rows if pair[1].given not in there]
    return kept, len(rows) - len(kept)
