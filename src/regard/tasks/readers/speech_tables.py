"""Recordings of one table, or of all tables of a folder: several speakers, or languages, together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.readers.digest import files_below
from regard.tasks.readers.records import SUFFIXES, records_of
from regard.tasks.readers.speech import Speech, read_speech, ruled
from regard.tasks.readers.wave_sound import SoundRules
from regard.tasks.table import Reading, Refused

_OPEN = SoundRules(channels="mix", other_rate="resample")  # what one table has, all tables together decide on


def read_speech_tables(
    path: str | Path,
    *,
    file: str = "path",
    text: str | None = "text",
    group: str | None = None,
    rules: SoundRules,
    said: Callable[[str], str],
) -> Reading[Speech]:
    """`read_speech` of a table; of a folder, of every table below it that has the columns, one after the other in order
    of their paths, rows numbered on. Refused as well: rows of whose text `said` leaves nothing.

    Raises:
        DataError: there is no such table; or as `read_speech` does.
    """
    path = Path(path)
    named = {"file": file, "text": text, "group": group}
    if not path.is_dir():
        return _heard(read_speech(path, rules=rules, **named), text, said)  # type: ignore[arg-type]
    tables = [one for one in files_below(path) if one.suffix.lower() in SUFFIXES and _has(one, file, text)]
    if not tables:
        wanted = " and ".join(repr(one) for one in (file, text) if one is not None)
        raise DataError(f"{path} holds no table ({', '.join(SUFFIXES)}) with the columns {wanted}; give such a table")
    whole: Reading[Speech] = Reading(path.name, (), (), ())
    for table in tables:
        found = read_speech(table, rules=replace(_OPEN, rate=rules.rate), **named)  # type: ignore[arg-type]
        whole = _joined(whole, found, table.relative_to(path).as_posix())
    return _heard(ruled(replace(whole, notes=()), rules), text, said)


def _has(table: Path, *columns: str | None) -> bool:
    there = records_of(table).columns
    return all(column in there for column in columns if column is not None)


def _joined(first: Reading[Speech], second: Reading[Speech], name: str) -> Reading[Speech]:
    """Both, the second's rows numbered on from the first's; what is refused says its table and row."""
    before = len(first.rows) + len(first.refused)
    refused = (Refused(before + one.number, None, f"{name}, {one}") for one in second.refused)
    rows = (replace(row, number=before + row.number) for row in second.rows)
    return Reading(first.name, second.columns, (*first.rows, *rows), (*first.refused, *refused))


def _heard(reading: Reading[Speech], text: str | None, said: Callable[[str], str]) -> Reading[Speech]:
    if text is None:
        return reading
    silent = [Refused(row.number, row.line, f"nothing of the text {row.text!r} can be heard")
              for row in reading.rows if not said(row.text)]  # fmt: skip
    if not silent:
        return reading
    gone = {one.number for one in silent}
    rows = tuple(row for row in reading.rows if row.number not in gone)
    refused = tuple(sorted((*reading.refused, *silent), key=lambda one: one.number))
    return replace(reading, rows=rows, refused=refused)
