"""Pairs for translation: the Bible in two languages or two ages, verse beside verse, out of SWORD modules.

The format ("zText"; described in CrossWire's wiki and in the README of pysword, whose code is not used): for each
testament three files. `.bzv`: 10 bytes a place, little-endian: number of its block (4), where it begins in the block
(4), its length (2). `.bzs`: 12 bytes a block: where it begins in the third file, its length there, its length unpacked.
`.bzz`: the blocks, each packed by zlib. Places stand in the order of the module's versification: before a chapter's
verses there is one for its heading, which in these modules names the chapter ("Gen.1").
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_FOLDER = "./usr/share/sword/modules"
_PLACE, _BLOCK = struct.Struct("<IIH"), struct.Struct("<III")
_CHAPTER = re.compile(r'<chapter\b[^>]*\bosisID="([^"]+)"')
_APART = re.compile(
    r"<(note|title)\b[^>]*?(?<!/)>.*?</\1>"  # what is said beside the text
    r"|<chapter\b[^>]*\beID=.*",  # and behind the chapter: a book's appendix
    re.DOTALL,
)
_MARK = re.compile(r"<[^>]*>|¶")


def verses(archive: Path) -> dict[str, str]:
    """ "Gen.1.3" -> its text, of a module's verses that have one.

    Raises:
        DataError: the package holds no zText module, or its files do not fit each other.
    """
    parts = {path.rsplit("/", 1)[-1]: content for path, content in files_in(archive, _FOLDER)}
    try:
        found = dict(_named(parts))
    except (IndexError, KeyError, UnicodeDecodeError, struct.error, zlib.error) as error:
        raise DataError(
            f"{archive.name}: files of a testament are missing or do not fit each other ({error}); delete it, "
            "and fetch it again"
        ) from None
    if not found:
        raise DataError(f"{archive.name} holds no verses whose chapter is known; delete it, and fetch it again")
    return found


def verse_pairs(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The verses that both modules have, the first one's as source; `group` is the chapter.

    Some editions begin a chapter a few verses later, so that one number is not one verse there: chapters that do not
    end with the same number in both, and those that follow them, are left out.
    """
    first, second = map(verses, files)
    ends, others = _ends(first), _ends(second)
    unlike = {chapter for chapter, end in ends.items() if others.get(chapter) != end}

    def rows() -> Iterator[dict[str, str]]:
        for name, source in first.items():
            book, chapter, _ = name.split(".")
            if name in second and unlike.isdisjoint({f"{book}.{chapter}", f"{book}.{int(chapter) - 1}"}):
                yield {"source": source, "target": second[name], "group": f"{book}.{chapter}"}

    write_jsonl(target, rows())


def _ends(named: Mapping[str, str]) -> dict[str, int]:
    """Chapter -> the number of its last verse."""
    ends: dict[str, int] = {}
    for name in named:
        chapter, _, number = name.rpartition(".")
        ends[chapter] = max(int(number), ends.get(chapter, 0))
    return ends


def _named(parts: Mapping[str, bytes]) -> Iterator[tuple[str, str]]:
    for testament in ("ot", "nt"):
        chapter, number = "", 0
        for place in _places(parts, testament):
            heading = _CHAPTER.search(place)
            chapter, number = (heading[1], 0) if heading else (chapter, number + 1)
            text = "" if heading else _text(place)
            if chapter and text:
                yield f"{chapter}.{number}", text


def _places(parts: Mapping[str, bytes], testament: str) -> Iterator[str]:
    """What stands at each place of a testament, with its markup."""
    index, blocks, packed = (parts[f"{testament}.{ending}"] for ending in ("bzv", "bzs", "bzz"))
    unpacked = [zlib.decompress(packed[at : at + length]) for at, length, _ in _BLOCK.iter_unpack(blocks)]
    for block, at, length in _PLACE.iter_unpack(index):
        yield unpacked[block][at : at + length].decode("utf-8")


def _text(place: str) -> str:
    """A verse without its markup, notes and headings."""
    return " ".join(unescape(_MARK.sub("", _APART.sub(" ", place))).split())


def _module(name: str, version: str, sha256: str, size: int) -> Package:
    package = f"sword-text-{name}"
    return Package(package, version, f"{package}_{version}_all.deb", sha256, size, registry="debian")


_KJV = _module("kjv", "14.3-1", "9f463f28ce665f6f528fc723179722bced880a4c5485f7a41bf742838315de57", 2_800_476)
_WEB = _module("web", "426.0-1", "930b23670b352f0829a306501de4bebb5e654a2df02cde2cbe86b802177868e1", 3_956_428)
_RV = _module("sparv", "2.60-1", "5c87f9b2bc97457e8a872f5bae7ea7ce59cb3de1dcee73e4d4740451863694cf", 2_722_332)

SETS = tuple(
    Source(
        name=name,
        about=about,
        kind="pairs",
        holds=holds,
        packages=packages,
        licence="Public domain (the King James Version under Crown patent in the United Kingdom).",
        licence_member="./usr/share/doc/sword-text-kjv/copyright",
        home="https://www.crosswire.org/sword/",
        make=verse_pairs,
    )
    for name, about, holds, packages in (
        (
            "verses-en-es",
            "verses of the Bible: the King James Version (1769), the Reina-Valera (1909)",
            "30,516 pairs",
            (_KJV, _RV),
        ),
        (
            "verses-old-modern",
            "verses of the Bible: the King James Version (1769), the World English Bible (2015)",
            "31,065 pairs",
            (_KJV, _WEB),
        ),
    )
)
