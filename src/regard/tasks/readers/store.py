"""Encoded rows in the cache: made once, bit by bit, gone on with after a kill, then read a stretch at a time.

A column holds one array a row, of any length: token ids, samples of a sound, pixels. On disk it is two flat files: all
values one after the other, and where each row begins. What a store is made of is in its key (the data's digest, the
vocabulary, the settings), so that other data or settings never find it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.disk import make_folder, write_atomically
from regard.spec.errors import DataError
from regard.tasks.event import Listener, Note
from regard.tasks.packages import cache_folder
from regard.tasks.readers.flat_file import FlatFile

_FORM = 1  # of the files; another form, another key
_ROWS = 4096  # rows encoded between two notes of how far the making is

Arrays = Sequence[NDArray[Any] | Sequence[int]]
Encode = Callable[[int, int], Mapping[str, Arrays]]  # (start, stop) -> every column's arrays of these rows


@dataclass(frozen=True)
class Column:
    """One array a row: row i is `flat[starts[i]:starts[i + 1]]`."""

    flat: FlatFile
    starts: FlatFile

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """The lengths of rows `start` to `stop`."""
        return np.diff(self.starts.read(start, stop + 1))

    def read(self, start: int, stop: int) -> list[NDArray[Any]]:
        """The arrays of rows `start` to `stop`."""
        starts = self.starts.read(start, stop + 1)
        if stop <= start:
            return []
        return np.split(self.flat.read(int(starts[0]), int(starts[-1])), starts[1:-1] - starts[0])

    def add(self, arrays: Arrays) -> None:
        end = int(self.starts.read(len(self.starts) - 1, len(self.starts))[0])
        self.flat.add(np.concatenate([np.asarray(one, dtype=self.flat.dtype) for one in arrays]))
        self.starts.add(end + np.cumsum([len(one) for one in arrays]))

    def cut(self, rows: int) -> None:
        if rows == 0:
            self.starts.cut(0)
            self.starts.add(np.zeros(1, dtype=np.int64))
        self.starts.cut(rows + 1)
        self.flat.cut(int(self.starts.read(rows, rows + 1)[0]))


@dataclass(frozen=True)
class Store:
    """Rows that were encoded, in the cache."""

    folder: Path
    rows: int
    columns: Mapping[str, Column]

    def __len__(self) -> int:
        return self.rows

    def read(self, start: int, stop: int) -> dict[str, list[NDArray[Any]]]:
        """Every column's arrays of rows `start` to `stop`."""
        return {name: column.read(start, stop) for name, column in self.columns.items()}

    def lengths(self, start: int, stop: int) -> NDArray[np.int64]:
        """What rows `start` to `stop` hold in all their columns together."""
        whole: NDArray[np.int64] = np.sum([one.lengths(start, stop) for one in self.columns.values()], axis=0)
        return whole


def store_key(*made_of: str) -> str:
    """A name for what is made of these: 32 signs, another for anything else."""
    return hashlib.sha256(json.dumps([_FORM, *made_of]).encode()).hexdigest()[:32]


def stored(key: str, dtypes: Mapping[str, str], rows: int, encode: Encode, listen: Listener) -> Store:
    """The store of that key, made now unless it is there: `encode` gives the rows, a few thousand at a time.

    A making that was stopped goes on where it was. Of several processes one makes it, and the others wait.

    Raises:
        RunError: the cache cannot be written.
        DataError: what lies in the cache under this key has other rows.
    """
    folder = cache_folder() / "rows" / key
    make_folder(folder)
    columns = {
        name: Column(FlatFile(folder / f"{name}.flat", dtype), FlatFile(folder / f"{name}.starts", "int64"))
        for name, dtype in dtypes.items()
    }
    with alone(folder):
        done = made(folder)
        if done > rows:
            raise DataError(f"{folder} holds {done:,} rows, expected {rows:,}; delete that folder, and start again")
        if done < rows:
            _make(folder, columns, done, rows, encode, listen)
    return Store(folder, rows, columns)


def made(folder: Path) -> int:
    """How many rows of a store are made."""
    with contextlib.suppress(FileNotFoundError, ValueError, KeyError):
        return int(json.loads((folder / "made.json").read_text("utf-8"))["rows"])
    return 0


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Waits until no other process makes something in a folder. On Windows, which has no such locks, it does not."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed, by a kill too
        yield


def _make(folder: Path, columns: Mapping[str, Column], done: int, rows: int, encode: Encode, listen: Listener) -> None:
    if done:
        listen(Note(f"{rows:,} rows are encoded into {folder}: going on at row {done:,}"))
    for column in columns.values():
        column.cut(done)
    for start in range(done, rows, _ROWS):
        stop = min(start + _ROWS, rows)
        for name, arrays in encode(start, stop).items():
            columns[name].add(arrays)
        write_atomically(folder / "made.json", json.dumps({"rows": stop}).encode())
