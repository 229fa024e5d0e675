"""Stretches of DNA out of an R package's data: a jsonl with symbols (the bases, A C G T) and label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.r_data import saved
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_DATA = "./usr/lib/R/site-library/mlbench/data/DNA.rda"
_LENGTH = 60  # bases
# Three columns a base, as the StatLog project wrote them: one is 1, or none is.
_BASES = {("1", "0", "0"): "A", ("0", "1", "0"): "C", ("0", "0", "1"): "G", ("0", "0", "0"): "T"}


def splice(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The 180 indicators of a row of `DNA` turned back into 60 bases; labels ei, ie and n as they are there."""
    frame = saved(member(files[0], _DATA))["DNA"]
    rows = zip(*(frame[f"V{number}"] for number in range(1, 3 * _LENGTH + 1)), strict=True)
    labelled = enumerate(zip(rows, frame["Class"], strict=True), start=1)
    write_jsonl(target, ({"symbols": bases(row, number), "label": label} for number, (row, label) in labelled))


def bases(indicators: Sequence[str], row: int) -> str:
    """Three indicators a base, "0" or "1" each, as letters: 100 is A, 010 is C, 001 is G, 000 is T.

    Raises:
        DataError: three of them are none of these; row: the number that the message gives.
    """
    found = []
    for at in range(0, len(indicators), 3):
        triple = tuple(indicators[at : at + 3])
        if triple not in _BASES:
            raise DataError(f"row {row}: indicators {at + 1} to {at + 3} are {triple}, expected at most one 1 of three")
        found.append(_BASES[triple])
    return "".join(found)


_SPLICE = Source(
    name="splice",
    about="60 bases of primates' DNA around a place where an intron begins (ei), ends (ie), or neither (n)",
    kind="symbols",
    holds="3,186 stretches of 60 bases",
    packages=(
        Package(
            name="r-cran-mlbench",
            version="2.1-3-1",
            file="r-cran-mlbench_2.1-3-1_amd64.deb",
            sha256="2f1127f7b5e7d08703b13b52ef1976a0c355a7660d6ac575e29b87b13921bc06",
            size=1_049_188,
            registry="debian",
        ),
    ),
    licence="The package: GPL-2; the sites (Noordewier, Towell and Shavlik 1991): CC-BY-4.0, from the UCI repository.",
    licence_member="./usr/share/doc/r-cran-mlbench/copyright",
    home="https://archive.ics.uci.edu/dataset/69",
    make=splice,
)

SETS = (_SPLICE,)
