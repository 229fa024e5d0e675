"""What makes two rows the same, so that no part of a split holds what another was trained on."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """Marks of one row, 64 bits each, as signed ints.

    whole: of all that it says; rows with the same are duplicates. given: of what a model is given of it, without the
    answer; no two parts share one. group: rows of one group go to one part. label: "" where there is none.
    """

    whole: int
    given: int
    group: str | None = None
    label: str = ""


class Parted(Protocol):
    """A row that can be parted."""

    @property
    def number(self) -> int: ...
    @property
    def identity(self) -> Identity: ...


def fingerprint(text: str) -> int:
    """64 bits that are equal for texts which differ only in case, spaces or Unicode form (NFKC); as a signed int."""
    return exact_mark(" ".join(unicodedata.normalize("NFKC", text).casefold().split()).encode())


def exact_mark(*contents: bytes) -> int:
    """64 bits of bytes as they are; of several, of each and where it ends."""
    digest = hashlib.blake2b(contents[0], digest_size=8)
    for content in contents[1:]:
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return int.from_bytes(digest.digest(), "big", signed=True)


def joined_mark(*marks: int | str) -> int:
    """64 bits of several marks and names in this order."""
    return exact_mark(":".join(map(repr, marks)).encode("utf-8", "surrogateescape"))
