"""Sequences of symbols: the folk songs of the Essen collection, note by note in ABC notation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener, Note
from regard.tasks.sources.chorales import MUSIC21
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_FOLDER = "music21/corpus/essenFolksong"
_NOTE = r"(?:\^\^|\^|__|_|=)?[A-Ga-gz][,']*\d*(?:/\d*)?"  # accidental, letter (z: a rest), octave, length
_SYMBOL = re.compile(rf"{_NOTE}-?|\([2-9]|\|[:\]]?|:\|?")
_STARTS = ("M", "L", "K")  # metre, unit of length, key: without them a tune cannot be read back


def symbols(tune: Sequence[str]) -> list[str] | None:
    """A tune's lines as symbols: metre, unit and key, then notes, bars and ties; None if something else is in it."""
    fields = {line[0]: line[2:].strip() for line in tune if line[1:2] == ":"}
    found = [f"{name}:{fields[name].replace(' ', '')}" for name in _STARTS if name in fields]
    for line in tune:
        if line[1:2] == ":":
            continue
        at = 0
        for match in _SYMBOL.finditer(line):
            if line[at : match.start()].strip():
                return None
            found.append(match.group())
            at = match.end()
        if line[at:].strip():
            return None
    return found


def folk_tunes(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """One row a tune, `group` its title: versions of a song have one title and few notes that differ.

    Tunes that are the same in every symbol are written once, under the title that comes first.
    """
    seen: set[str] = set()
    unread = 0

    def rows() -> Iterator[dict[str, str]]:
        nonlocal unread
        for _, content in files_in(files[0], _FOLDER, ending=".abc"):
            for tune in _tunes(content.decode("utf-8")):
                found = symbols(tune)
                if found is None:
                    unread += 1
                    continue
                row = " ".join(found)
                if row not in seen and len(found) > len(_STARTS):
                    seen.add(row)
                    yield {"symbols": row, "group": _title(tune)}

    write_jsonl(target, rows())
    listen(Note(f"{len(seen):,} tunes; {unread:,} hold what is no note, rest, bar or tie, and are left out"))


def _tunes(content: str) -> Iterator[list[str]]:
    """The lines of each tune: it begins with its number, `X:`."""
    lines: list[str] = []
    for line in content.splitlines():
        if line.startswith("X:") and lines:
            yield lines
            lines = []
        if line.strip() and (lines or line.startswith("X:")):
            lines.append(line)
    if lines:
        yield lines


def _title(tune: Sequence[str]) -> str:
    return next((line[2:].strip() for line in tune if line.startswith("T:")), "")


_FOLK_TUNES = Source(
    name="folk-tunes",
    about="folk songs of the Essen collection, note by note in ABC notation",
    kind="symbols",
    holds="8,431 tunes",
    packages=(MUSIC21,),
    licence="For non-commercial use: for that the collection's keeper gave music21 leave; otherwise its legal status "
    "is unclear.",
    licence_member="music21/corpus/essenFolksong/license.txt",
    home="https://www.esac-data.org/",
    make=folk_tunes,
)

SETS = (_FOLK_TUNES,)
