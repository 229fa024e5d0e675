"""Parting more rows than fit into memory: duplicates out, then every row by the hash of what it is known by.

In place of sorting all rows it goes by buckets of their marks, each small enough to hold. A row's part depends on its
own mark, the seed and the shares alone, so that the same text (or group) is never in two parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from regard.disk import write_atomically
from regard.spec.errors import DataError
from regard.tasks.readers.flat_file import FlatFile
from regard.tasks.readers.reading import Judge
from regard.tasks.readers.records import Record
from regard.tasks.readers.store import alone, store_key
from regard.tasks.readers.survey import Survey

R = TypeVar("R")

_BUCKET = 1 << 19  # marks held together, about
_READ = 1 << 16  # rows read together
_SAMPLED = 1 << 10  # rows of a sample read together
_TRAIN, _VALIDATION, _TEST, _DUPLICATE, _CONTRADICTION = range(5)
_NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Subset:
    """The rows of one part, by their places in a survey."""

    survey: Survey
    places: FlatFile

    def __len__(self) -> int:
        return len(self.places)

    def reader(self, judge: Judge[R]) -> Callable[[NDArray[np.int64]], list[R]]:
        """What reads its rows by their numbers in the part (from 0, rising). `judge` as at the survey."""
        read = self.survey.reader()

        def rows(numbers: NDArray[np.int64]) -> list[R]:
            if not len(numbers):
                return []
            low = int(numbers[0])
            places = self.places.read(low, int(numbers[-1]) + 1)[numbers - low]
            return [_again(judge(record), record) for record in read(places)]

        return rows

    def sample(self, judge: Judge[R], most: int) -> Iterator[R]:
        """At most so many of its rows, evenly spread, a few at a time: all of them where there are no more."""
        whole = len(self)
        numbers = np.arange(whole) if whole <= most else np.linspace(0, whole - 1, most).astype(np.int64)
        read = self.reader(judge)
        for start in range(0, len(numbers), _SAMPLED):
            yield from read(numbers[start : start + _SAMPLED])


@dataclass(frozen=True)
class LargeParts:
    """A large file in three parts, and how many rows were left out (see `tasks.split.Split`)."""

    train: Subset
    validation: Subset
    test: Subset
    duplicates: int
    contradictions: int
    seed: int


def part_large(survey: Survey, *, test_rows: float, validation_rows: float, seed: int) -> LargeParts:
    """Parts a surveyed file. Counts below 1 are shares; whole numbers are met about (rows fall by their hash).

    Contradictions (one input, several labels) are left out, and of duplicates all but the first.

    Raises:
        DataError: the parts leave nothing to train on, or one is empty.
    """
    shares = [one if one < 1 else one / max(survey.rows, 1) for one in (test_rows, validation_rows)]
    if sum(shares) >= 1:
        raise DataError(
            f"{survey.records.path.name}: {test_rows:g} rows to test and {validation_rows:g} to validate leave none of "
            f"{survey.rows:,} to train on; ask for fewer"
        )
    folder = next(iter(survey.files.values())).path.parent / store_key("parts", repr(shares), str(seed))
    folder.mkdir(exist_ok=True)
    subsets = {name: Subset(survey, FlatFile(folder / name, "int64")) for name in _NAMES}
    with alone(folder):
        if not (folder / "parts.json").is_file():
            write_atomically(folder / "parts.json", json.dumps(_assign(survey, subsets, shares, seed)).encode())
    left_out = json.loads((folder / "parts.json").read_text("utf-8"))
    for name, subset in subsets.items():
        if not len(subset):
            raise DataError(f"{survey.records.path.name}: no row falls into the {name} part; ask for more rows in it")
    train, validation, test = subsets.values()
    return LargeParts(train, validation, test, left_out["duplicates"], left_out["contradictions"], seed)


def _assign(survey: Survey, subsets: dict[str, Subset], shares: list[float], seed: int) -> dict[str, int]:
    """Writes every part's places; returns how many rows were left out, by why."""
    folder = subsets["train"].places.path.parent
    fate = FlatFile(folder / "fate", "uint8")
    fate.cut(0)
    for start, stop in _stretches(survey.rows):
        fate.add(_by_hash(survey.files["unit"].read(start, stop), shares, seed))
    fates = fate.mapped()
    _leave_out(survey, fates)
    for subset in subsets.values():
        subset.places.cut(0)
    counts = np.zeros(5, dtype=np.int64)
    for start, stop in _stretches(survey.rows):
        stretch = np.asarray(fates[start:stop])
        counts += np.bincount(stretch, minlength=5)
        for number, name in enumerate(_NAMES):
            subsets[name].places.add(start + np.flatnonzero(stretch == number))
    return {"duplicates": int(counts[_DUPLICATE]), "contradictions": int(counts[_CONTRADICTION])}


def _by_hash(marks: NDArray[np.int64], shares: list[float], seed: int) -> NDArray[np.uint8]:
    """The part of each mark: its hash (splitmix64's last steps, with the seed mixed in) as a number in [0, 1)."""
    with np.errstate(over="ignore"):
        z = marks.view(np.uint64) + np.uint64(seed + 1) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    place = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
    fate = np.full(len(marks), _TRAIN, dtype=np.uint8)
    fate[place < shares[0] + shares[1]] = _VALIDATION
    fate[place < shares[0]] = _TEST
    return fate


def _leave_out(survey: Survey, fates: NDArray[np.uint8]) -> None:
    """Marks duplicates (all but the first) and contradictions, one bucket of marks after the other."""
    buckets = -(-survey.rows // _BUCKET)
    for bucket in range(buckets):
        places, whole = _bucket(survey, ("whole",), bucket, buckets)
        first = np.zeros(len(places), dtype=bool)
        first[np.unique(whole, return_index=True)[1]] = True  # the first of each: places rise
        fates[places[~first]] = _DUPLICATE
    if len(survey.labels) < 2:
        return
    for bucket in range(buckets):
        places, given, labels = _bucket(survey, ("given", "label"), bucket, buckets)
        _, which = np.unique(given, return_inverse=True)
        low = np.full(len(given), len(survey.labels))
        high = np.full(len(given), -1)
        np.minimum.at(low, which, labels)
        np.maximum.at(high, which, labels)
        fates[places[(low < high)[which]]] = _CONTRADICTION


def _bucket(survey: Survey, names: tuple[str, ...], bucket: int, buckets: int) -> list[NDArray[np.int64]]:
    """Of the rows whose mark (the first of `names`) falls into a bucket: their places, and these files' numbers."""
    found: list[list[NDArray[np.int64]]] = [[] for _ in range(len(names) + 1)]
    for start, stop in _stretches(survey.rows):
        marks = survey.files[names[0]].read(start, stop)
        here = np.flatnonzero(marks.view(np.uint64) % np.uint64(buckets) == bucket)
        found[0].append(start + here)
        for name, stretches in zip(names, found[1:], strict=True):
            stretches.append(survey.files[name].read(start, stop)[here])
    return [np.concatenate(one) for one in found]


def _again(found: R | str, record: Record) -> R:
    """A row that was usable at the survey."""
    if isinstance(found, str):
        raise DataError(f"row {record.number} has changed since the file was looked through: {found}; start again")
    return found


def _stretches(rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, _READ):
        yield start, min(start + _READ, rows)
