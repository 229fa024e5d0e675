"""A thing with a name: a data set, texts or a model, where it comes from, under which licence, and what it becomes.

It is made from files inside packages, whose code is never imported; nothing of it lies in this repository.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from regard.spec.errors import SpecError
from regard.tasks.event import Listener
from regard.tasks.packages import Package, cache_folder

Kind = Literal[
    "labelled texts",
    "tagged words",
    "texts",
    "pairs",
    "questions",
    "images",
    "captions",
    "scenes",
    "speech",
    "series",
    "events",
    "symbols",
    "tables",
    "triples",
    "model",
]
# The package files, in the order of `packages` -> what lies at the path afterwards.
Make = Callable[[Sequence[Path], Path, Listener], None]

# What each kind becomes: the ending of its file; "" is a folder.
ENDINGS: dict[Kind, str] = {
    "labelled texts": ".csv",  # text, label
    "tagged words": ".jsonl",  # tokens and tags, two lists of one length; group
    "texts": "",  # .txt files
    "pairs": ".jsonl",  # source, target, group
    "questions": ".jsonl",  # context, question, answer
    "images": ".parquet",  # image (bytes of a PNG or JPEG), label
    "captions": ".parquet",  # image, text (and label)
    "scenes": "",  # scenes.jsonl and the pictures
    "speech": "",  # speech.csv (path, text, group) and the wav files
    "series": ".csv",  # series, time, value (and covariates)
    "events": ".csv",  # user, item, time
    "symbols": ".jsonl",  # symbols (and label, group)
    "tables": ".csv",  # columns of any name: measurements and what is to be told from them, or what items are
    "triples": ".csv",  # head, relation, tail
    "model": "",  # what transformers' `from_pretrained` reads
}
_READ_INSIDE: dict[Kind, str] = {"speech": "speech.csv"}  # of a folder, the file that a reader is given


@dataclass(frozen=True, kw_only=True)
class Source:
    """One thing with a name. `home` is where it was first published, for those who would rather have it from there.

    kind: what `make` writes, see ENDINGS. holds: how much, in words. licence_member: the licence's path inside the
    first package file, None if it holds none. edition: raised when `make` writes something else from the same
    packages, so that what lies in the cache from before is not taken for it.
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
    edition: int = 1

    def __post_init__(self) -> None:
        if not self.packages or self.kind not in ENDINGS or self.edition < 1:
            raise SpecError(
                f"source {self.name!r}: {len(self.packages)} packages, kind {self.kind!r}, edition {self.edition}; "
                f"expected at least one package, an edition from 1, and a kind among {', '.join(ENDINGS)}"
            )

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(one.size for one in self.packages)

    @property
    def target(self) -> Path:
        """The file or folder that lies in the cache afterwards."""
        edition = f".{self.edition}" if self.edition > 1 else ""
        return cache_folder() / f"{self.name}-{self.packages[0].version}{edition}{ENDINGS[self.kind]}"

    @property
    def path(self) -> Path:
        """What a reader is given: the target, or for speech the csv inside it."""
        inside = _READ_INSIDE.get(self.kind)
        return self.target if inside is None else self.target / inside
