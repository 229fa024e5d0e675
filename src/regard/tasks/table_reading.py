"""Labelled texts from plain files: csv, tsv, jsonl, parquet.

Nothing is repaired: a row that cannot be used is refused, with its number and the reason. A file that cannot be read
as what its name says is an error that names the place.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.spec.errors import DataError
from regard.tasks.table import Refused, Row, Table

SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class _Record:
    """One record before it is judged: its fields, or why it has none. Undecodable bytes are kept as surrogates."""

    number: int
    line: int | None
    fields: Mapping[str, Any]
    broken: str = ""


def read_table(path: str | Path, *, text: str, label: str | None) -> Table:
    """Reads a file's rows. With `label=None` rows carry the label "" (texts to predict on).

    Raises:
        DataError: the file is missing, empty, of an unknown kind, or lacks a column (the message lists those there).
    """
    path = Path(path)
    columns, records = _open(path)
    for column in (text, label):
        if column is not None and column not in columns:
            raise DataError(f"{path.name} has no column {column!r}; the columns there are: {_listed(columns)}")
    judged = [_judge(record, text, label) for record in records]
    return Table(
        name=path.name,
        columns=columns,
        rows=tuple(row for row in judged if isinstance(row, Row)),
        refused=tuple(row for row in judged if isinstance(row, Refused)),
    )


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        DataError: there is no such file.
    """
    _check_there(path)
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path}: no such file; give the path of a {', '.join(SUFFIXES)} file")


def _open(path: Path) -> tuple[tuple[str, ...], Iterator[_Record]]:
    _check_there(path)
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path.name} is of no known kind; name it with one of {', '.join(SUFFIXES)}")
    if path.stat().st_size == 0:
        raise DataError(f"{path.name} is empty (0 bytes); it needs columns and at least one row")
    if path.suffix.lower() == ".parquet":
        return _parquet(path)
    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise DataError(f"{path.name} is UTF-16, expected UTF-8; save it as UTF-8")
    return _jsonl(path) if path.suffix.lower() == ".jsonl" else _csv(path)


def _csv(path: Path) -> tuple[tuple[str, ...], Iterator[_Record]]:
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    records = _csv_records(path, delimiter)
    header = next(records, None)
    if header is None:
        raise DataError(f"{path.name} is empty; it needs a header line with its columns, and at least one row")
    columns = tuple(header[1])
    doubles = sorted({name for name in columns if columns.count(name) > 1})
    if doubles:
        raise DataError(f"{path.name} has several columns named {_listed(doubles)}; rename all but one")
    return columns, _csv_rows(columns, records)


def _csv_records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which it begins, fields) of every record, the header's first; lines that are wholly empty are none."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        begins = 1
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise DataError(
                    f"{path.name} is no readable csv from line {begins} on: {error}; look for a quote that is not "
                    f'closed (inside quotes, " is written "")'
                ) from None
            if fields:
                yield begins, fields
            begins = reader.line_num + 1


def _csv_rows(columns: tuple[str, ...], records: Iterator[tuple[int, list[str]]]) -> Iterator[_Record]:
    for number, (line, fields) in enumerate(records, start=1):
        broken = ""
        if len(fields) != len(columns):
            broken = f"{len(fields)} columns, expected {len(columns)} ({_listed(columns)})"
        yield _Record(number, line, dict(zip(columns, fields, strict=False)), broken)


def _jsonl(path: Path) -> tuple[tuple[str, ...], Iterator[_Record]]:
    records = list(_jsonl_records(path))
    columns: dict[str, None] = {}
    for record in records:
        columns.update(dict.fromkeys(record.fields))
    if not records:
        raise DataError(f"{path.name} has no rows, expected one JSON object a line")
    return tuple(columns), iter(records)


def _jsonl_records(path: Path) -> Iterator[_Record]:
    number = 0
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as file:
        for line, content in enumerate(file, start=1):
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
            yield _Record(number, line, fields, broken)


def _parquet(path: Path) -> tuple[tuple[str, ...], Iterator[_Record]]:
    # Loaded here because it takes a quarter of a second that csv files need not pay.
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path.name} is no readable parquet file: {reason}; write it again") from None
    columns = tuple(table.column_names)
    return columns, _parquet_rows(table)


def _parquet_rows(table: Any) -> Iterator[_Record]:
    number = 0
    for batch in table.to_batches(max_chunksize=4096):
        for position in range(batch.num_rows):
            number += 1
            fields: dict[str, Any] = {}
            broken = ""
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                fields[name], fault = _value(column[position], name)
                broken = broken or fault
            yield _Record(number, None, fields, broken)


def _value(cell: Any, column: str) -> tuple[Any, str]:
    try:
        return cell.as_py(), ""
    except UnicodeDecodeError as error:
        return None, f"broken UTF-8 in column {column!r} at byte {error.start + 1}"


def _judge(record: _Record, text: str, label: str | None) -> Row | Refused:
    reason = record.broken or _text_fault(record.fields.get(text), text)
    if not reason and label is not None:
        reason = _label_fault(record.fields.get(label), label)
    if reason:
        return Refused(record.number, record.line, reason)
    return Row(record.number, record.fields[text], "" if label is None else str(record.fields[label]))


def _text_fault(value: Any, column: str) -> str:
    if value is None:
        return f"no text in column {column!r}"
    if not isinstance(value, str):
        return f"column {column!r} holds a {type(value).__name__}, expected text"
    return _utf8_fault(value, column) or ("" if value.strip() else f"empty text in column {column!r}")


def _label_fault(value: Any, column: str) -> str:
    if value is None or value == "":
        return f"no label in column {column!r}"
    if not isinstance(value, str | int):  # bool is an int: True is the label "True"
        return f"column {column!r} holds a {type(value).__name__}, expected text or a whole number as label"
    if isinstance(value, str):
        return _utf8_fault(value, column) or ("" if value.strip() else f"empty label in column {column!r}")
    return ""


def _utf8_fault(value: str, column: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        character = ord(value[error.start])
        byte = f"byte 0x{character - 0xDC00:02x}" if 0xDC80 <= character <= 0xDCFF else f"\\u{character:04x}"
        return f"broken UTF-8 in column {column!r}: {byte} after {error.start} characters"
    return ""


def _listed(names: tuple[str, ...] | list[str]) -> str:
    """Names in quotes, with undecodable bytes shown so that a message can always be printed."""
    return ", ".join(repr(name.encode("utf-8", "backslashreplace").decode("utf-8")) for name in names)
