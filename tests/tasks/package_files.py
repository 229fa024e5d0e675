"""Package files as registries pack them, written from names and contents: for tests without a network."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from regard.tasks.packages import Package, file_sha256
from regard.tasks.sources import Source


def wheel(path: Path, inside: Mapping[str, bytes | str]) -> Path:
    """A zip, as PyPI's wheels are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in inside.items():
            archive.writestr(name, content)
    return path


def tarball(path: Path, inside: Mapping[str, bytes | str]) -> Path:
    """A tar, compressed as the name's ending says (.tar.xz, .tgz, .tar.gz), as npm's and source packages are."""
    with tarfile.open(path, "w:xz" if path.suffix == ".xz" else "w:gz") as archive:
        for name, content in inside.items():
            data = content.encode() if isinstance(content, str) else content
            one = tarfile.TarInfo(name)
            one.size = len(data)
            one.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            archive.addfile(one, io.BytesIO(data))
    return path


def debian_package(path: Path, inside: Mapping[str, bytes | str]) -> Path:
    """An ar archive as Debian's are: a version, then two tars, each after a header of 60 bytes."""
    data = tarball(path.with_suffix(".data.tar.xz"), inside)
    parts = {"debian-binary": b"2.0\n", "control.tar.xz": b"odd", "data.tar.xz": data.read_bytes()}
    data.unlink()
    content = b"!<arch>\n"
    for part, its in parts.items():
        content += f"{part:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(its):<10}`\n".encode() + its + b"\n" * (len(its) % 2)
    path.write_bytes(content)
    return path


def packed(package: Package, inside: Mapping[str, bytes | str]) -> Package:
    """Writes a package's file into the cache ($REGARD_CACHE), and gives the package that expects just this file."""
    package.path.parent.mkdir(parents=True, exist_ok=True)
    write = {".whl": wheel, ".deb": debian_package}.get(package.path.suffix, tarball)
    write(package.path, inside)
    return replace(package, sha256=file_sha256(package.path), size=package.path.stat().st_size)


def packed_source(wanted: Source, *inside: Mapping[str, bytes | str]) -> Source:
    """A source whose packages hold these files, one mapping a package."""
    return replace(wanted, packages=tuple(map(packed, wanted.packages, inside)))
