"""Further inputs on which explanations are measured: rows of a file of the folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from regard.app.studio.inputs import Input
from regard.app.studio.own_part import own_places
from regard.app.studio.readying import Desk
from regard.app.studio.refusals import RefusedError
from regard.app.studio.subjects import Found

if TYPE_CHECKING:
    from regard.lens.question import Question


@dataclass(frozen=True)
class SampleOf:
    """file: where the rows lie; None for the run's own test part. column: of their texts; None as in training. inputs:
    so many at most."""

    file: str | None
    column: str | None
    inputs: int


@dataclass(frozen=True)
class Sample:
    """asks: a question a row, each about the model's own answer to it. rows: there were in the file. refused: of them
    those that cannot be used. name: the file's."""

    asks: tuple[Callable[[], Question], ...]
    rows: int
    refused: int
    name: str


def sampled(desk: Desk, found: Found, given: Input, asked: SampleOf) -> Sample:
    """Rows of the file, as far apart as can be, so that a sorted file is read from beginning to end; the row that is
    itself explained is passed.

    Raises whatever reading the file raises; `RefusedError` (422) for a model of pictures, or a file without rows.
    """
    if asked.file is None:
        path, own = own_places(desk, found)
    else:
        path, own = desk.folders.data(asked.file, desk.limits.file_bytes, where="sample"), None
    if found.kind == "run":
        made = _of_run(desk, found, given, asked, path, own)
    else:
        made = _of_folder(desk, found, asked, path)
    if not made.asks:
        raise RefusedError(
            422, f"{path.name} holds no further row that can be used", where="sample", do="give a file of more rows"
        )
    return made


def spaced(count: int, wanted: int) -> list[int]:
    """`wanted` places of `count`, or all of them, as far apart as they can be."""
    return list(range(count)) if count <= wanted else [place * count // wanted for place in range(wanted)]


def _of_run(
    desk: Desk, found: Found, given: Input, asked: SampleOf, path: Path, within: Sequence[int] | None
) -> Sample:
    """within: places of the rows that may be taken, None for all."""
    from regard.tasks.task import Asked
    from regard.train.run import load_run

    run = desk.models.get(("asked", found.path), lambda: load_run(found.path))
    columns = {} if asked.column is None else {"text": asked.column}
    rows = run.given(Asked(path, columns, truths=False, skip_refused=True))
    own = rows.place(given.row) if given.file is not None and desk.file_of(given) == path else None
    places = [place for place in (range(len(rows.part)) if within is None else within) if place != own]

    def asker(place: int) -> Callable[[], Question]:
        return lambda: run.question(rows, row=place, words=True)

    asks = tuple(asker(places[at]) for at in spaced(len(places), asked.inputs))
    return Sample(asks, len(rows.part), rows.refused, path.name)


def _of_folder(desk: Desk, found: Found, asked: SampleOf, path: Path) -> Sample:
    from regard.app.studio.why_folder import answers
    from regard.lens.explain import ask
    from regard.tasks.table import usable
    from regard.tasks.table_reading import read_table

    if found.takes == "picture":
        raise RefusedError(
            422,
            "sample: further inputs are rows of a file, and this model takes pictures",
            where="sample",
            do="leave it out",
        )
    table = read_table(path, text=asked.column or "text", label=None)
    texts = [row.text for row in usable(table, skip_refused=True)]
    tokenizer, model = answers(desk, found)

    def asker(text: str) -> Callable[[], Question]:
        return lambda: ask(model, text, None, tokenizer=tokenizer, words=True)

    asks = tuple(asker(texts[at]) for at in spaced(len(texts), asked.inputs))
    return Sample(asks, len(texts), len(table.refused), path.name)
