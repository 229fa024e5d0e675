"""Parting rows into training, validation and test, the same way every time.

Where a row goes depends on its text, its label and the split's seed, not on its place in the file: a file that is
sorted, shuffled or written in another format is parted alike. Texts that occur twice are removed first, so that no
test text is ever seen in training.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regard.spec.errors import DataError
from regard.tasks.readers.identity import fingerprint
from regard.tasks.table import Row

__all__ = ["Split", "fingerprint", "split_rows"]


@dataclass(frozen=True)
class Split:
    """Rows in three parts, and how many were left out.

    duplicates: rows whose text an earlier row had, with the same label.
    contradictions: rows whose text also occurs with another label (all of them are left out: which is right?).
    leaked: training rows whose text is in the test file.
    """

    train: tuple[Row, ...]
    validation: tuple[Row, ...]
    test: tuple[Row, ...]
    duplicates: int
    contradictions: int
    leaked: int
    seed: int

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the training part, sorted: a class's index is its place here."""
        return tuple(sorted({row.label for row in self.train}))


def split_rows(
    rows: Sequence[Row],
    *,
    test_rows: float,
    validation_rows: float,
    seed: int,
    given_test: Sequence[Row] | None = None,
    train_rows: int | None = None,
) -> Split:
    """Parts the rows, each part with the labels in the proportions of the whole.

    `test_rows`, `validation_rows`: a whole number of rows, or a share below 1 of the unique ones. With `given_test`
    that is the test part, and training rows that occur in it are removed. `train_rows` keeps only so many for training.

    Raises:
        DataError: fewer than two labels, a label with too few rows for every part, or parts larger than the whole.
    """
    unique, duplicates, contradictions = _unique(rows)
    leaked = 0
    test: list[Row] = []
    if given_test is not None:
        tested, again, against = _unique(given_test)
        duplicates, contradictions, test = duplicates + again, contradictions + against, list(tested.values())
        leaked = sum(mark in tested for mark in unique)
        unique = {mark: row for mark, row in unique.items() if mark not in tested}
    pools = _pools(unique, seed)
    _check_labels(pools, test, parts=2 if given_test is not None else 3)
    whole = len(unique)
    if given_test is None:
        test = _take(pools, _count(test_rows, whole, "data.test_rows"), "data.test_rows", leave=2)
    validation = _take(pools, _count(validation_rows, whole, "data.validation_rows"), "data.validation_rows", leave=1)
    train = [row for pool in pools.values() for row in pool]
    if train_rows is not None and train_rows < len(train):
        train = _take(pools, train_rows, "data.train_rows", leave=0)
    return Split(tuple(train), tuple(validation), tuple(test), duplicates, contradictions, leaked, seed)


def _unique(rows: Sequence[Row]) -> tuple[dict[int, Row], int, int]:
    """(fingerprint -> first row with it, duplicates left out, contradictory rows left out)."""
    first: dict[int, Row] = {}
    bad: set[int] = set()
    seen: Counter[int] = Counter()
    for row in rows:
        mark = fingerprint(row.text)
        seen[mark] += 1
        if first.setdefault(mark, row).label != row.label:
            bad.add(mark)
    contradictory = sum(seen[mark] for mark in bad)
    kept = {mark: row for mark, row in first.items() if mark not in bad}
    return kept, len(rows) - contradictory - len(kept), contradictory


def _pools(rows: Mapping[int, Row], seed: int) -> dict[str, list[Row]]:
    """Label -> its rows in an order that only texts and seed decide."""
    pools: dict[str, list[tuple[bytes, Row]]] = {}
    for mark, row in rows.items():
        place = hashlib.blake2b(f"{seed}:{mark}".encode(), digest_size=16).digest()
        pools.setdefault(row.label, []).append((place, row))
    return {label: [row for _, row in sorted(pools[label], key=lambda pair: pair[0])] for label in sorted(pools)}


def _check_labels(pools: dict[str, list[Row]], test: list[Row], parts: int) -> None:
    for label, pool in pools.items():
        if len(pool) < parts:
            places = ", ".join(f"row {row.number}" for row in pool)
            times = "once" if len(pool) == 1 else f"{len(pool)} times"
            raise DataError(
                f"label {label!r} occurs {times} ({places}), expected at least {parts} different texts, one for each "
                f"of {parts} parts; add rows with this label, or remove it"
            )
    if len(pools) < 2:
        there = ", ".join(map(repr, pools)) or "none"
        raise DataError(f"the rows to train on have too few labels ({there}), expected at least 2; add rows")
    unknown = sorted({row.label for row in test} - set(pools))
    if unknown:
        raise DataError(f"the test file has labels that no training row has: {', '.join(unknown)}; correct one of them")


def _count(wanted: float, whole: int, setting: str) -> int:
    if wanted >= 1 and wanted != int(wanted):
        raise DataError(f"{setting} was {wanted}, expected a whole number of rows, or a share below 1")
    return int(wanted) if wanted >= 1 else round(wanted * whole)


def _take(pools: dict[str, list[Row]], count: int, setting: str, *, leave: int) -> list[Row]:
    """Removes `count` rows from the pools, in proportion to their sizes (largest remainders).

    At least 1 row of each label is taken, and at least `leave` of each are left, so that a rare label may move the
    count by a few rows.
    """
    whole = sum(map(len, pools.values()))
    if count >= whole:
        raise DataError(f"{setting} asks for {count} rows of {whole}, which leaves none to train on; ask for fewer")
    exact = {label: count * len(pool) / whole for label, pool in pools.items()}
    quota = {label: int(share) for label, share in exact.items()}
    for label in sorted(exact, key=lambda name: (quota[name] - exact[name], name))[: count - sum(quota.values())]:
        quota[label] += 1
    taken: list[Row] = []
    for label, pool in pools.items():
        number = max(1, min(quota[label], len(pool) - leave))
        taken += pool[:number]
        pools[label] = pool[number:]
    return taken
