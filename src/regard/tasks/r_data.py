"""Values out of an R package's data: R's serialisation format, as far as lists, factors, numbers and texts go.

The format is described in "R Internals", section 1.8 (Serialization Formats); the database of a package's data is an
index (`.rdx`: name -> place and length) beside the values (`.rdb`: each compressed, after its length). Nothing that
could run is read: functions, environments and language objects are refused.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from regard.spec.errors import DataError

_SYMBOL, _PAIRS, _CHARACTERS, _LOGICALS, _INTEGERS, _TEXTS, _LIST = 1, 2, 9, 10, 13, 16, 19
_NULLS = (254, 0)
_REFERENCE = 255
_HAS_ATTRIBUTES, _HAS_TAG = 0x200, 0x400
_MISSING = -1  # the length of a text that is NA
_NO_LEVEL = -(2**31)  # the number of a level that is NA
_SAVED = (b"RDX2\n", b"RDX3\n")  # how a file that R saved begins, once it is unpacked
_BROKEN = (IndexError, KeyError, TypeError, ValueError, OSError, EOFError, lzma.LZMAError, struct.error, zlib.error)


def database(index: bytes, values: bytes) -> dict[str, Any]:
    """name -> value, of a package's data: the bytes of its `.rdx` and its `.rdb`.

    Raises:
        DataError: they are cut short, or hold something else than lists, whole numbers and texts.
    """
    try:
        places = _value(gzip.decompress(index))["variables"]
        return {name: _value(_unpacked(values[at : at + size])) for name, (at, size) in places.items()}
    except _BROKEN as error:
        raise DataError(f"the R data cannot be read ({error}); fetch the package again") from None


def saved(content: bytes) -> dict[str, Any]:
    """name -> value, of a file that R saved (`.rda`, `.RData`): gzip, bzip2 or xz, then its values by name.

    Raises:
        DataError: it is cut short, or holds something else than lists, factors, whole numbers and texts.
    """
    try:
        plain = _plain(content)
        found: dict[str, Any] | None = _value(plain[len(_SAVED[0]) :]) if plain.startswith(_SAVED) else None
    except _BROKEN as error:
        raise DataError(f"the R data cannot be read ({error}); fetch the package again") from None
    if found is None:
        raise DataError("the R data are not what R's save() writes in its binary format; only that is read")
    return found


def _plain(content: bytes) -> bytes:
    for begins, unpack in ((b"\x1f\x8b", gzip.decompress), (b"BZh", bz2.decompress), (b"\xfd7zXZ", lzma.decompress)):
        if content.startswith(begins):
            return unpack(content)
    return content


def _unpacked(record: bytes) -> bytes:
    """A value's bytes: after four bytes of length zlib data, or one byte that names bzip2 ("2") or xz ("Z")."""
    kind = record[4:5]
    if kind == b"2":
        return bz2.decompress(record[5:])
    if kind == b"Z":
        return lzma.decompress(record[5:], format=lzma.FORMAT_AUTO)
    return zlib.decompress(record[4:])


def _value(content: bytes) -> Any:
    if not content.startswith(b"X\n"):
        raise DataError("the R data are not in R's portable binary format (XDR); only that is read")
    reader = _Reader(content, at=2)
    version = reader.integer()
    reader.skip(8)  # the R version that wrote it, and the oldest that can read it
    if version >= 3:
        reader.skip(reader.integer())  # the name of the encoding of its texts
    return reader.item()


@dataclass
class _Reader:
    """Reads one value after the other. Mutable: it stands somewhere in the bytes."""

    content: bytes
    at: int

    def __post_init__(self) -> None:
        self.symbols: list[Any] = []

    def skip(self, count: int) -> None:
        self.at += count

    def integer(self) -> int:
        (number,) = struct.unpack_from(">i", self.content, self.at)
        self.at += 4
        return int(number)

    def integers(self) -> list[int]:
        count = self.integer()
        numbers = struct.unpack_from(f">{count}i", self.content, self.at)
        self.at += 4 * count
        return list(numbers)

    def item(self) -> Any:
        """None, a text, a list of whole numbers, texts (a factor too) or values, or a dict where names are given."""
        flags = self.integer()
        kind = flags & 0xFF
        if kind in _NULLS:
            return None
        if kind == _CHARACTERS:
            return self._text()
        if kind == _SYMBOL:
            self.symbols.append(self.item())
            return self.symbols[-1]
        if kind == _REFERENCE:
            return self.symbols[(flags >> 8) - 1]
        if kind == _PAIRS:
            return self._pairs(flags)
        if kind in (_INTEGERS, _LOGICALS):
            found: list[Any] = list(self.integers())
        elif kind in (_TEXTS, _LIST):
            found = [self.item() for _ in range(self.integer())]
        else:
            raise DataError(f"the R data hold a value of type {kind}; only lists, whole numbers and texts are read")
        attributes = (self.item() if flags & _HAS_ATTRIBUTES else None) or {}
        if "levels" in attributes:  # a factor: numbers of levels, from 1
            levels = attributes["levels"]
            return [None if number == _NO_LEVEL else levels[number - 1] for number in found]
        names = attributes.get("names")
        return dict(zip(names, found, strict=True)) if names is not None else found

    def _text(self) -> str | None:
        length = self.integer()
        if length == _MISSING:
            return None
        self.at += length
        return self.content[self.at - length : self.at].decode("utf-8")

    def _pairs(self, flags: int) -> dict[Any, Any]:
        """A linked list of tag and value, as a dict."""
        found: dict[Any, Any] = {}
        while flags & 0xFF == _PAIRS:
            if flags & _HAS_ATTRIBUTES:
                self.item()
            tag = self.item() if flags & _HAS_TAG else None
            found[tag] = self.item()
            flags = self.integer()
        return found
