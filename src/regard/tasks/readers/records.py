"""The records of a plain file, one at a time: csv, tsv, jsonl, parquet.

Nothing is judged here but the form: a record with the wrong number of columns or that is no JSON says so. A file that
cannot be read as what its name says is an error that names the place. Only one record (of parquet: one batch) is held.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regard.spec.errors import DataError
from regard.spec.value import few

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_BOM = b"\xef\xbb\xbf"
_BATCH = 4096  # records of a parquet file that are turned into Python values together
_LISTED = 8  # names that a message shows


@dataclass(frozen=True, slots=True)
class Record:
    """One record before it is judged: its fields, or why it has none. Undecodable bytes are kept as surrogates.

    number: of the data row, from 1. line: where it begins in a text file, from 1. at, size: its bytes in a text file;
    in a parquet file `at` is the row's place, from 0.
    """

    number: int
    line: int | None
    fields: Mapping[str, Any]
    broken: str = ""
    at: int = 0
    size: int = 0


@dataclass(frozen=True)
class Records:
    """A file that can be read. `columns` are in its order; of jsonl, in the order in which they first occur."""

    path: Path
    columns: tuple[str, ...] = field(default=())

    def need(self, *columns: str | None) -> None:
        """Checks that columns are there; None asks for nothing.

        Raises:
            DataError: some are not; the message names them, and some of those that are.
        """
        lacking = [one for one in dict.fromkeys(columns) if one is not None and one not in self.columns]
        if lacking:
            raise DataError(
                f"{self.path.name} has no column{'s' if len(lacking) > 1 else ''} {listed(lacking)}; the columns there "
                f"are: {listed(self.columns)}; --column ROLE=NAME says which of them is meant"
            )

    def each(self, only: Sequence[str] | None = None) -> Iterator[Record]:
        """Every record, in order. Of a parquet file the columns `only` are read, if given."""
        kind = self.path.suffix.lower()
        if kind == ".parquet":
            return _parquet_records(self.path, self.columns if only is None else only)
        return _jsonl_records(self.path) if kind == ".jsonl" else _csv_rows(self.path, self.columns)


def records_of(path: str | Path) -> Records:
    """The records of a file.

    Raises:
        DataError: the file is missing, empty, of an unknown kind, UTF-16, or has no header.
    """
    path = Path(path)
    check_there(path)
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise DataError(f"{path.name} is of no known kind; name it with one of {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes); it needs columns and at least one row")
    if kind == ".parquet":
        return Records(path, _parquet_columns(path))
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise DataError(f"{path.name} is UTF-16, expected UTF-8; save it as UTF-8")
    return Records(path, _jsonl_columns(path) if kind == ".jsonl" else _csv_columns(path))


def check_there(path: Path) -> None:
    """Raises:
    DataError: there is no such file, or it is a folder."""
    if path.is_dir():
        raise DataError(f"{path} is a folder; give the path of a {', '.join(SUFFIXES)} file")
    if not path.is_file():
        kind = "file" if path.suffix else "file or folder"
        raise DataError(f"{path}: no such {kind}; give the path of a {', '.join(SUFFIXES)} file{_or_folder(path)}")


def _or_folder(path: Path) -> str:
    return "" if path.suffix else ", or of a folder of pictures, texts or scenes"


def parsed(path: Path, columns: Sequence[str], content: bytes) -> Mapping[str, Any]:
    """The fields of one record of a text file, from its bytes (`at` and `size` of the record that was read before)."""
    text = content.decode("utf-8", "surrogateescape")
    if path.suffix.lower() == ".jsonl":
        value: Mapping[str, Any] = json.loads(text)
        return value
    fields = next(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(path), strict=True))
    return dict(zip(columns, fields, strict=True))


def listed(names: Sequence[str]) -> str:
    """Names in quotes, the first few of many, with undecodable bytes shown so that a message can always be printed."""
    return few([repr(name.encode("utf-8", "backslashreplace").decode("utf-8")) for name in names], _LISTED)


def _delimiter(path: Path) -> str:
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _lines(path: Path, newline: str) -> Iterator[tuple[int, int, str]]:
    """(first byte, bytes, text) of every line of a text file; a byte order mark belongs to no line."""
    with path.open("rb") as raw:
        at = len(_BOM) if raw.read(len(_BOM)) == _BOM else 0
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline=newline) as file:
        for text in file:
            size = len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
            yield at, size, text
            at += size


def _csv_columns(path: Path) -> tuple[str, ...]:
    header = next(_csv_fields(path), None)
    if header is None:
        raise DataError(f"{path.name} is empty; it needs a header line with its columns, and at least one row")
    columns = tuple(header[0])
    doubles = sorted({name for name in columns if columns.count(name) > 1})
    if doubles:
        raise DataError(f"{path.name} has several columns named {listed(doubles)}; rename all but one")
    return columns


def _csv_fields(path: Path) -> Iterator[tuple[list[str], int, int, int]]:
    """(fields, line on which it begins, first byte, bytes) of every record; lines that are wholly empty are none."""
    end = begins_at = 0

    def fed() -> Iterator[str]:
        nonlocal end
        for at, size, text in _lines(path, ""):
            end = at + size
            yield text

    with path.open("rb") as raw:
        begins_at = len(_BOM) if raw.read(len(_BOM)) == _BOM else 0
    reader = csv.reader(fed(), delimiter=_delimiter(path), strict=True)
    begins = 1
    while True:
        try:
            fields = next(reader)  # takes lines one by one, and none beyond the record's own
        except StopIteration:
            return
        except csv.Error as error:
            raise DataError(
                f"{path.name} is no readable csv from line {begins} on: {error}; look for a quote that is not "
                f'closed (inside quotes, " is written "")'
            ) from None
        if fields:
            yield fields, begins, begins_at, end - begins_at
        begins, begins_at = reader.line_num + 1, end


def _csv_rows(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    records = _csv_fields(path)
    next(records, None)
    for number, (fields, line, at, size) in enumerate(records, start=1):
        broken = ""
        if len(fields) != len(columns):
            broken = f"{len(fields)} columns, expected {len(columns)} ({listed(columns)})"
        yield Record(number, line, dict(zip(columns, fields, strict=False)), broken, at, size)


def _jsonl_columns(path: Path) -> tuple[str, ...]:
    columns: dict[str, None] = {}
    rows = 0
    for record in _jsonl_records(path):
        rows += 1
        columns.update(dict.fromkeys(record.fields))
    if not rows:
        raise DataError(f"{path.name} has no rows, expected one JSON object a line")
    return tuple(columns)


def _jsonl_records(path: Path) -> Iterator[Record]:
    number = 0
    for line, (at, size, content) in enumerate(_lines(path, "\n"), start=1):
        if not content.strip():
            continue
        number += 1
        fields: Mapping[str, Any] = {}
        broken = ""
        try:
            value = json.loads(content)
        except ValueError as error:
            broken = f"no JSON ({error})"
        else:
            if isinstance(value, dict):
                fields = value
            else:
                broken = f'a JSON {type(value).__name__}, expected an object such as {{"text": ..., "label": ...}}'
        yield Record(number, line, fields, broken, at, size)


def _parquet_columns(path: Path) -> tuple[str, ...]:
    # Loaded here because it takes a quarter of a second that csv files need not pay.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return tuple(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from None


def _parquet_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH, columns=list(columns)):
                for fields, broken in _batch_rows(batch):
                    number += 1
                    yield Record(number, None, fields, broken, number - 1)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(path, error) from None


def _no_parquet(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    return DataError(f"{path.name} is no readable parquet file: {reason}; write it again")


def _batch_rows(batch: Any) -> Iterator[tuple[dict[str, Any], str]]:
    names = batch.schema.names
    try:
        for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield dict(zip(names, values, strict=True)), ""
    except UnicodeDecodeError:  # before anything was given out: `zip` takes all lists first
        for place in range(batch.num_rows):
            yield _cells(batch, names, place)


def _cells(batch: Any, names: Sequence[str], place: int) -> tuple[dict[str, Any], str]:
    fields: dict[str, Any] = {}
    broken = ""
    for name, column in zip(names, batch.columns, strict=True):
        try:
            fields[name] = column[place].as_py()
        except UnicodeDecodeError as error:  # noqa: PERF203 - one batch in a million has any
            fields[name] = None
            broken = broken or f"broken UTF-8 in column {name!r} at byte {error.start + 1}"
    return fields, broken
