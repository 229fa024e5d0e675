"""Where encoded pictures lie: files, or cells of a parquet file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from regard.spec.errors import DataError
from regard.tasks.readers.faults import text_fault
from regard.tasks.readers.parquet_rows import ParquetRows


@dataclass(frozen=True, slots=True)
class Place:
    """A file; or, of a parquet file, a column's cell in a row (from 0)."""

    path: Path
    column: str = ""
    row: int = -1


def contents(places: Sequence[Place]) -> Iterator[bytes]:
    """The bytes of encoded pictures, one after the other: fast for cells that lie near each other.

    Raises:
        DataError: a file is gone since it was checked.
    """
    cells: dict[tuple[Path, str], ParquetRows] = {}
    for place in places:
        if place.row < 0:
            try:
                yield place.path.read_bytes()
            except OSError as error:
                raise DataError(f"{place.path}: {error.strerror}; put it back, or remove its row") from None
            continue
        key = (place.path, place.column)
        if key not in cells:
            cells[key] = ParquetRows(place.path, [place.column])
        yield cell_bytes(cells[key].read(np.array([place.row]))[0][place.column])


def picture_of(value: Any, column: str, *, path: Path, row: int) -> tuple[Place, bytes] | str:
    """Where the picture of a cell lies and its bytes, or why there is none.

    A cell holds a path relative to its file's folder, the bytes themselves, or (as data sets on the web often have it)
    a record whose `bytes` they are.
    """
    content = cell_bytes(value)
    if content:
        return Place(path, column, row), content
    if not isinstance(value, str) or path.suffix.lower() == ".parquet":
        return f"no picture in column {column!r}"
    reason = text_fault(value, column)
    if reason:
        return reason
    return picture_file(path.parent / value, value)


def picture_file(file: Path, name: str) -> tuple[Place, bytes] | str:
    """A picture's file and its bytes, or why there is none. `name`: what the data call it."""
    if not file.is_file():
        return f"there is no file {name}"
    return Place(file), file.read_bytes()


def cell_bytes(value: Any) -> bytes:
    """The bytes of a parquet cell; none where it holds something else."""
    if isinstance(value, dict):
        value = value.get("bytes")
    return value if isinstance(value, bytes) else b""
