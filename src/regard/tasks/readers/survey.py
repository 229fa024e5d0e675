"""A file too large for memory, looked through once: where its usable rows lie, and what each is known by.

What is found is kept in flat files in the cache, a few bytes a row; afterwards any row is read by its place.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.disk import make_folder, write_atomically
from regard.tasks.event import Listener, Note
from regard.tasks.packages import cache_folder
from regard.tasks.readers.flat_file import FlatFile
from regard.tasks.readers.identity import Parted, joined_mark
from regard.tasks.readers.parquet_rows import ParquetRows
from regard.tasks.readers.records import Record, Records, parsed
from regard.tasks.readers.store import alone
from regard.tasks.table import Refused, judge_refused

_LISTED = 1000  # refused rows that are kept with their reasons; the others are counted
_BUFFER = 65_536  # rows between two writings
_SLOTS = {"at": "int64", "size": "int64", "number": "int64", "whole": "int64", "given": "int64", "unit": "int64",
          "label": "int32"}  # fmt: skip


@dataclass(frozen=True)
class Survey:
    """What was found. `files` by name: at, size, number (see `Record`), and the marks whole, given, unit (of the group,
    or of what is given where there is none) and label (a place in `labels`), one number a usable row."""

    records: Records
    only: tuple[str, ...]
    files: dict[str, FlatFile]
    rows: int
    refused: tuple[Refused, ...]  # at most 1,000 of them
    refused_rows: int
    labels: tuple[str, ...]

    def usable(self, *, skip_refused: bool) -> None:
        """Goes on only where no row was refused, or going on without was asked for.

        Raises:
            DataError: otherwise; the message names the first refused rows.
        """
        judge_refused(
            self.records.path.name,
            self.refused,
            refused=self.refused_rows,
            whole=self.rows + self.refused_rows,
            skip_refused=skip_refused,
        )

    def reader(self) -> Callable[[NDArray[np.int64]], list[Record]]:
        """What reads usable rows by their places (from 0, rising): their records, as they were at the first look."""
        cells = ParquetRows(self.records.path, self.only) if self.records.path.suffix.lower() == ".parquet" else None

        def read(places: NDArray[np.int64]) -> list[Record]:
            if not len(places):
                return []
            low, high = int(places.min()), int(places.max()) + 1
            at, size, number = (self.files[name].read(low, high)[places - low] for name in ("at", "size", "number"))
            if cells is not None:
                found: Sequence[Any] = cells.read(at)
            else:
                found = [parsed(self.records.path, self.records.columns, one) for one in self._bytes(at, size)]
            return [Record(int(one), None, fields) for one, fields in zip(number, found, strict=True)]

        return read

    def _bytes(self, at: NDArray[np.int64], size: NDArray[np.int64]) -> Iterator[bytes]:
        with self.records.path.open("rb") as file:
            for begin, count in zip(at.tolist(), size.tolist(), strict=True):
                file.seek(begin)  # costs nothing where the buffer holds it already
                yield file.read(count)


def surveyed(
    records: Records, judge: Callable[[Record], Parted | str], only: Sequence[str], key: str, listen: Listener
) -> Survey:
    """Looks through a file, unless the cache has what was found: `key` stands for the file's bytes and the judge.

    Raises:
        DataError: the file cannot be read.
        RunError: the cache cannot be written.
    """
    folder = cache_folder() / "rows" / key
    make_folder(folder)
    files = {name: FlatFile(folder / name, dtype) for name, dtype in _SLOTS.items()}
    with alone(folder):
        if not (folder / "found.json").is_file():
            listen(Note(f"{records.path.name} is looked through once; what is found is kept in {folder}"))
            found = _look(records, judge, only, files)
            write_atomically(folder / "found.json", json.dumps(found).encode())
    values = json.loads((folder / "found.json").read_text("utf-8"))
    return Survey(
        records=records,
        only=tuple(only),
        files=files,
        rows=values["rows"],
        refused=tuple(Refused(*one) for one in values["refused"]),
        refused_rows=values["refused_rows"],
        labels=tuple(values["labels"]),
    )


def _look(
    records: Records, judge: Callable[[Record], Parted | str], only: Sequence[str], files: dict[str, FlatFile]
) -> dict[str, Any]:
    for file in files.values():
        file.cut(0)
    refused: list[Refused] = []
    labels: dict[str, int] = {}
    rows = refused_rows = 0
    buffer: list[tuple[int, ...]] = []
    for record in records.each(only):
        found = record.broken or judge(record)
        if isinstance(found, str):
            refused_rows += 1
            if len(refused) < _LISTED:
                refused.append(Refused(record.number, record.line, found))
            continue
        one = found.identity
        unit = one.given if one.group is None else joined_mark(one.group)
        label = labels.setdefault(one.label, len(labels))
        buffer.append((record.at, record.size, record.number, one.whole, one.given, unit, label))
        rows += 1
        if len(buffer) == _BUFFER:
            _write(files, buffer)
    _write(files, buffer)
    plain = [(one.number, one.line, one.reason) for one in refused]
    return {"rows": rows, "refused": plain, "refused_rows": refused_rows, "labels": list(labels)}


def _write(files: dict[str, FlatFile], buffer: list[tuple[int, ...]]) -> None:
    if buffer:
        table = np.array(buffer, dtype=np.int64)
        for place, file in enumerate(files.values()):
            file.add(table[:, place])
        buffer.clear()
