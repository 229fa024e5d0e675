"""Emoji pictures with what they are called in four languages: a parquet file with image, text, label and more."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.spec.errors import DataError
from regard.tasks.archive import files as files_in
from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.picture_rows import write_pictures
from regard.tasks.sources.source import Source

LANGUAGES = ("en", "de", "fr", "zh")
_PLAIN = "FE0F"  # the sign that asks for a coloured picture: one list writes it, the other leaves it out


@dataclass(frozen=True)
class Emoji:
    """One picture, 64 x 64 pixels with transparency. names: language -> what it is called there.

    code: its characters' numbers, in hexadecimal digits, parted by -. category: one of ten; kind: a finer one.
    """

    code: str
    picture: bytes
    names: Mapping[str, str]
    category: str
    kind: str


def captions(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """image (PNG), text (English), label (the category), de, fr, zh, kind, code; in the order of Unicode's charts."""
    columns = ("image", "text", "label", *LANGUAGES[1:], "kind", "code")
    write_pictures(target, columns, (_row(one) for one in emoji(files)))


def emoji(files: Sequence[Path]) -> tuple[Emoji, ...]:
    """The pictures of `emoji-datasource-google` that have a name in all four languages of `emojibase-data`.

    Those that differ from another only in the colour of the skin are not among them; the five colours themselves are.
    """
    listed = json.loads(member(files[0], "package/emoji.json"))
    pictures = dict(files_in(files[0], "package/img/google/64", ending=".png"))
    names = {language: _names(files[1], language) for language in LANGUAGES}
    found = []
    for entry in sorted(listed, key=lambda entry: entry["sort_order"]):
        code = _bare(entry["unified"])
        if entry["image"] in pictures and all(code in names[language] for language in LANGUAGES):
            found.append(_one(entry, code, pictures[entry["image"]], names))
    if not found:
        raise DataError(f"{files[0].name} and {files[1].name} have no emoji in common; fetch the packages again")
    return tuple(found)


def _row(one: Emoji) -> tuple[bytes | str, ...]:
    english, *others = (one.names[language] for language in LANGUAGES)
    return (one.picture, english, one.category, *others, one.kind, one.code)


def _one(entry: Mapping[str, Any], code: str, picture: bytes, names: Mapping[str, Mapping[str, str]]) -> Emoji:
    called = {language: names[language][code] for language in LANGUAGES}
    return Emoji(code=code, picture=picture, names=called, category=entry["category"], kind=entry["subcategory"])


def _names(archive: Path, language: str) -> dict[str, str]:
    entries = json.loads(member(archive, f"package/{language}/data.json"))
    return {_bare(entry["hexcode"]): entry["label"] for entry in entries}


def _bare(code: str) -> str:
    return "-".join(part for part in code.split("-") if part != _PLAIN)


PACKAGES = (
    Package(
        name="emoji-datasource-google",
        version="16.0.0",
        file="emoji-datasource-google-16.0.0.tgz",
        sha256="fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
        size=74_344_091,
        registry="npm",
    ),
    Package(
        name="emojibase-data",
        version="17.0.0",
        file="emojibase-data-17.0.0.tgz",
        sha256="d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
        size=6_711_091,
        registry="npm",
    ),
)
LICENCE = (
    "The packages: MIT; the pictures are Google's Noto Emoji: Apache-2.0; the names are Unicode's (CLDR): Unicode-3.0."
)
HOME = "https://github.com/googlefonts/noto-emoji"

_EMOJI = Source(
    name="emoji",
    about="emoji with what they are called in English, German, French and Chinese, in ten categories",
    kind="captions",
    holds="1,911 pictures of 64 x 64",
    packages=PACKAGES,
    licence=LICENCE,
    licence_member="package/LICENSE",
    home=HOME,
    make=captions,
)

SETS = (_EMOJI,)
