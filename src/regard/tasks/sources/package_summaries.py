"""Pairs for summaries: what Debian's packages are, at length, and in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_SUMMARY = "Description-en: "
_FEWEST = 40  # words of the long description: a shorter one needs no summary


def stanzas(index: str) -> Iterator[tuple[str, str, list[str]]]:
    """Package, summary and paragraphs of each entry of an index ("Debian Policy Manual", 5.6.13 Description).

    A line that begins with one space goes on with its paragraph, " ." parts two, and a line that begins with more
    spaces stands as it is: a list or a table, here a paragraph of its own.
    """
    for stanza in index.split("\n\n"):
        package = summary = ""
        paragraphs: list[str] = []
        begun = False  # whether the last line may go on in the next
        for line in stanza.split("\n"):
            if line.startswith("Package: "):
                package = line.removeprefix("Package: ")
            elif line.startswith(_SUMMARY):
                summary = line.removeprefix(_SUMMARY).strip()
            elif line.startswith(" ") and line.strip() and summary:
                plain = not line.startswith("  ") and line.strip() != "."
                if plain and begun:
                    paragraphs[-1] += " " + line.strip()
                elif line.strip() != ".":
                    paragraphs.append(line.strip())
                begun = plain
        if package and summary and paragraphs:
            yield package, summary, paragraphs


def package_summaries(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Long descriptions of at least 40 words, each with its one line; the same description once.

    `group` is the first package whose description begins with the same paragraph: packages built from one source share
    it, and differ in a last sentence.
    """
    seen: set[str] = set()
    groups: dict[str, str] = {}

    def rows() -> Iterator[dict[str, str]]:
        for package, summary, paragraphs in stanzas(files[0].read_text(encoding="utf-8")):
            source = " ".join(" ".join(paragraphs).split())
            if len(source.split()) >= _FEWEST and source not in seen:
                seen.add(source)
                yield {"source": source, "target": summary, "group": groups.setdefault(paragraphs[0], package)}

    write_jsonl(target, rows())
    if not seen:
        raise DataError(f"{files[0]} holds no descriptions in English; delete it, and fetch it again")


_PACKAGE_SUMMARIES = Source(
    name="package-summaries",
    about="what Debian's packages are, at length (40 words or more) and in one line",
    kind="pairs",
    holds="34,511 pairs",
    packages=(
        Package(
            name="Translation-en",
            version="any",
            file="debian-main-Translation-en",
            sha256="62f59c3cdca9786e4f7adf9002f9f5729a684adcb4667e58e448dec9b5a46c7f",
            size=6_590_000,  # packed, and what says where it is; unpacked it has 32.7 MB
            registry="debian index",
            pinned=False,
        ),
    ),
    licence="Each description is under its package's free licence; all are published by Debian.",
    licence_member=None,
    home="https://www.debian.org/",
    make=package_summaries,
)

SETS = (_PACKAGE_SUMMARIES,)
