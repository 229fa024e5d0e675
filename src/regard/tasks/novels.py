"""Long texts out of package files: a folder with one UTF-8 file a novel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regard.tasks.event import Listener
from regard.tasks.packages import member
from regard.tasks.r_data import database

_DATA = "./usr/lib/R/site-library/janeaustenr/data/Rdata"
_NAMES = {
    "emma": "emma",
    "mansfieldpark": "mansfield-park",
    "northangerabbey": "northanger-abbey",
    "persuasion": "persuasion",
    "prideprejudice": "pride-and-prejudice",
    "sensesensibility": "sense-and-sensibility",
}


def austen(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Jane Austen's six novels of `janeaustenr`, line by line as they are there: about 70 characters each."""
    found = database(member(files[0], f"{_DATA}.rdx"), member(files[0], f"{_DATA}.rdb"))
    target.mkdir()
    for name, lines in found.items():
        path = target / f"{_NAMES.get(name, name)}.txt"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
