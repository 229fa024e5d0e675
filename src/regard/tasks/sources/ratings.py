"""MovieLens 100K out of a package file: who rated which film when, what the films are, and facts about them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from regard.tasks.archive import member
from regard.tasks.event import Listener
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Source

_INSIDE = "recbole/dataset_example/ml-100k/ml-100k"


def ratings(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """user, item, time (seconds since 1970), value (1 to 5 stars), in the order of the file."""
    rows = _rows(files[0], "inter")
    kept = ((row["user_id"], row["item_id"], str(int(float(row["timestamp"]))), row["rating"]) for row in rows)
    write_csv(target, ("user", "item", "time", "value"), kept)


def films(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """item, title, year, genres (parted by spaces), entity: the film's name in the graph, empty where it is not in it.

    One film is unknown to the publishers as well: item 267, whose title and year are written "unkonwn" there.
    """
    entities = {row["item_id"]: row["entity_id"] for row in _rows(files[0], "link")}
    kept = (
        (row["item_id"], row["movie_title"], row["release_year"], row["class"], entities.get(row["item_id"], ""))
        for row in _rows(files[0], "item")
    )
    write_csv(target, ("item", "title", "year", "genres", "entity"), kept)


def graph(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """head, relation, tail: facts about the films out of Freebase, by Freebase's own names of things."""
    rows = _rows(files[0], "kg")
    facts = ((row["head_id"], row["relation_id"], row["tail_id"]) for row in rows)
    write_csv(target, ("head", "relation", "tail"), facts)


def _rows(archive: Path, ending: str) -> Iterator[dict[str, str]]:
    """Rows of a table parted by tabs, whose header says a column's type after its name: `rating:float`."""
    lines = io.StringIO(member(archive, f"{_INSIDE}.{ending}").decode("utf-8"), newline="")
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    names = [column.partition(":")[0] for column in next(reader)]
    for fields in reader:
        yield dict(zip(names, fields, strict=True))


_PACKAGE = Package(
    name="recbole",
    version="1.2.1",
    file="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    size=2_130_151,
)
_LICENCE = (
    "The package: MIT; the ratings are GroupLens's (Harper and Konstan 2015), for research: cite them, do not publish "
    "them again and do not use them for gain without their leave"
)

_from_recbole = partial(Source, packages=(_PACKAGE,), licence_member="recbole-1.2.1.dist-info/LICENSE")
_RATINGS = _from_recbole(
    name="ml-100k",
    about="MovieLens 100K: 943 people's ratings of 1,682 films, with their times, 1997 to 1998",
    kind="events",
    holds="100,000 ratings",
    licence=f"{_LICENCE}.",
    home="https://grouplens.org/datasets/movielens/100k/",
    make=ratings,
)
_FILMS = _from_recbole(
    name="ml-100k-films",
    about="the films of ml-100k: title, year, genres, and the name by which ml-100k-graph knows them",
    kind="tables",
    holds="1,682 films",
    licence=f"{_LICENCE}.",
    home="https://grouplens.org/datasets/movielens/100k/",
    make=films,
)
_GRAPH = _from_recbole(
    name="ml-100k-graph",
    about="facts about the films of ml-100k, such as who acts in them, out of Freebase",
    kind="triples",
    holds="91,631 facts",
    licence=f"{_LICENCE}; the facts are Freebase's: CC-BY-2.5, linked to the films by KB4Rec (Zhao et al. 2019).",
    home="https://github.com/RUCDM/KB4Rec",
    make=graph,
)

SETS = (_RATINGS, _FILMS, _GRAPH)
