"""Pairs for translation: the help pages of LibreOffice in two languages, paragraph beside paragraph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_FOLDER = "./usr/share/libreoffice/help"
_PARAGRAPHS = ("par_", "hd_")  # how the ids of paragraphs and of headings begin
_ALONE = frozenset({"area", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_FEWEST, _MOST = 4, 60  # words of the English side


class _Page(HTMLParser):
    """The paragraphs of one page, by id: their text, spaces as one each.

    Of what a page says differently for each system or program (`switchinline`), the default is kept.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.paragraphs: dict[str, str] = {}
        self._open: list[tuple[str, bool]] = []  # the elements we stand in: class, and whether its text is left out
        self._id: str | None = None
        self._depth = 0  # of the paragraph's element
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens an element; one with a paragraph's id begins a paragraph."""
        if tag in _ALONE:
            self._text.append(" ")
            return
        given = {name: value or "" for name, value in attrs}
        inside, left_out = self._open[-1] if self._open else ("", False)
        other = inside == "switchinline" and not given.get("id", "").startswith("default")
        self._open.append((given.get("class", ""), left_out or other))
        if self._id is None and given.get("id", "").startswith(_PARAGRAPHS):
            self._id, self._depth, self._text = given["id"], len(self._open), []

    def handle_endtag(self, tag: str) -> None:
        """Closes the innermost element; the pages are well formed, written by one program."""
        if tag in _ALONE or not self._open:
            return
        if self._id is not None and len(self._open) == self._depth:
            self.paragraphs.setdefault(self._id, " ".join("".join(self._text).split()))
            self._id = None
        self._open.pop()

    def handle_data(self, data: str) -> None:
        """Text of the paragraph, unless it is of another system than the default."""
        if self._id is not None and not self._open[-1][1]:
            self._text.append(data)


def paragraphs(page: bytes) -> dict[str, str]:
    """id -> text of a help page's paragraphs and headings, in their order."""
    reader = _Page()
    reader.feed(page.decode("utf-8"))
    reader.close()
    return reader.paragraphs


def help_pairs(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The English package, then the other language's: pairs of the same page and paragraph.

    Paragraphs of 4 to 60 English words whose two sides differ (else they were not translated: code, names). Pages share
    paragraphs: a pair that occurs several times is written once, with the page where it comes first.
    """
    english, other = (dict(_pages(file)) for file in files)
    seen = set()

    def rows() -> Iterator[dict[str, str]]:
        for page in sorted(english.keys() & other.keys()):
            there = paragraphs(other[page])
            for name, source in paragraphs(english[page]).items():
                pair = (source, there.get(name, ""))
                if _FEWEST <= len(source.split()) <= _MOST and pair[1] not in ("", source) and pair not in seen:
                    seen.add(pair)
                    yield {"source": source, "target": pair[1], "group": page}

    write_jsonl(target, rows())
    if not seen:
        raise DataError(f"{files[0].name} and {files[1].name} have no paragraph in common; fetch them again")


def _pages(file: Path) -> Iterator[tuple[str, bytes]]:
    """Page without its language ("text/shared/main.html"), content."""
    for path, content in files_in(file, _FOLDER, ending=".html"):
        _, _, page = path.partition("/")
        if page.startswith("text/"):
            yield page, content


def _package(language: str, sha256: str, size: int) -> Package:
    name = f"libreoffice-help-{language}"
    return Package(name, "any", f"{name}.deb", sha256, size, registry="debian", pinned=False)


_ENGLISH = _package("en-us", "8faa840285734d6cfe1ed25537b48f07e74bd6412e3917bf8e5f8a653f7b3712", 1_753_504)

SETS = tuple(
    Source(
        name=f"help-en-{language}",
        about=f"help pages of LibreOffice, paragraph by paragraph: English and {called}",
        kind="pairs",
        holds=holds,
        packages=(_ENGLISH, package),
        licence="MPL-2.0.",
        licence_member="./usr/share/doc/libreoffice-help-en-us/copyright",
        home="https://help.libreoffice.org/",
        make=help_pairs,
    )
    for language, called, holds, package in (
        (
            "de",
            "German",
            "26,042 pairs",
            _package("de", "00490b63c509ac96f7f212d6a6e40452d3e0d1f97ccf4b824dd5ec4c01e8277f", 3_293_908),
        ),
        (
            "fr",
            "French",
            "24,830 pairs",
            _package("fr", "c796530d3e95af1ea4d054076682efc8aad2b569ae9513f3d4a776b2df3fd206", 3_237_008),
        ),
        (
            "zh",
            "Chinese",
            "17,853 pairs",
            _package("zh-cn", "db867cdece4c2f9c7eebe65e519c6cf386fdcf49d6e061db3dffec893b3e1dee", 3_435_780),
        ),
    )
)
