"""What a data file's bytes come down to, so that a run goes on with the same data or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.readers.records import check_there, records_of

_BLOCK = 1 << 20  # bytes


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: there is no such file.
    """
    check_there(path)
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def data_digest(path: Path, *, beside: Iterable[Path] = ()) -> str:
    """One SHA-256 for what a run reads: a file's own, or a folder's, with the files `beside` that its rows name.

    Of a folder: for every file below it, in order of its path (by code point, parted by /), its path, its size and its
    bytes. Hidden files (a name that begins with a dot) are no data and do not count. Of files beside: the same, after
    the first.

    Raises:
        DataError: there is neither such a file nor such a folder, or a file beside is missing.
    """
    others = sorted({one.resolve() for one in beside})
    if path.is_file() and not others:
        return file_digest(path)
    digest = hashlib.sha256()
    if path.is_dir():
        for name, file in sorted((file.relative_to(path).as_posix(), file) for file in files_below(path)):
            _add(digest, name, file)
    else:
        check_there(path)
        _add(digest, path.name, path)
    base = path.resolve() if path.is_dir() else path.resolve().parent
    for other in others:
        if not other.is_file():
            raise DataError(f"{other}: no such file, though {path.name} names it; put it there, or remove its row")
        name = other.relative_to(base).as_posix() if other.is_relative_to(base) else str(other)
        _add(digest, name, other)
    return digest.hexdigest()


def files_below(folder: Path) -> list[Path]:
    """The files of a folder and of those in it, hidden ones left out, in order of their paths.

    Raises:
        DataError: there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the path of a folder with data")
    found = (path for path in folder.rglob("*") if path.is_file())
    shown = [path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return sorted(shown, key=lambda path: path.relative_to(folder).as_posix())


def _add(digest: hashlib._Hash, name: str, file: Path) -> None:
    size = file.stat().st_size
    # The name's and the file's sizes keep "a" + "bc" and "ab" + "c" apart.
    encoded = name.encode("utf-8", "surrogateescape")
    digest.update(f"{len(encoded)} {size}\n".encode())
    digest.update(encoded)
    with file.open("rb") as opened:
        while block := opened.read(_BLOCK):
            digest.update(block)


def files_named(table: Path, columns: Sequence[str]) -> Iterator[Path]:
    """The files that a table's rows name in these columns, relative to its folder: what to give to `data_digest` beside
    it. Cells that name none, and files that are not there, are left to the reader to refuse.

    Raises:
        DataError: the table cannot be read.
    """
    records = records_of(table)
    there = [column for column in columns if column in records.columns]
    for record in records.each(there):
        for column in there:
            name = record.fields.get(column)
            if isinstance(name, str) and name.strip() and (table.parent / name).is_file():
                yield table.parent / name
