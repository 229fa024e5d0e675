"""From a model of the folders and an input of the page to something that can be run and looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from regard.app.given_text import typed, whole_file
from regard.app.studio.folders import Folders, kind_of_file
from regard.app.studio.inputs import Input
from regard.app.studio.limits import Limits
from regard.app.studio.models import Held
from regard.app.studio.refusals import RefusedError
from regard.app.studio.subjects import Found
from regard.app.subject import Subject, opened, picture_from, picture_subject, read_by, read_by_run
from regard.lens.recording import Recording
from regard.lens.trace import Trace
from regard.lens.units import Units
from regard.spec.errors import RegardError

if TYPE_CHECKING:
    from regard.tasks.explained import Explained
    from regard.tasks.task import Given
    from regard.train.run import Run

_TITLE = 48  # characters of an input that a job is called by


@dataclass(frozen=True, eq=False)
class Ready:
    """subject: to be run. answer: the model's on this input, called after the run; None where it says nothing. again:
    the same, asked of the model anew each time. picture: PNG bytes, where a run's own picture is shown."""

    subject: Subject
    answer: Callable[[], str | None]
    picture: Callable[[], bytes | None] = lambda: None
    again: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Desk:
    """What making something ready needs: where files may lie, bounds, and the models that are held."""

    folders: Folders
    limits: Limits
    models: Held

    def text_of(self, given: Input) -> str:
        """The whole text of an input. Raises `RefusedError` or `DataError` for a file that is none."""
        if given.text is not None:
            return typed(given.text, option="text")
        text = whole_file(self.file_of(given))
        if len(text) > self.limits.text_characters and given.tokens is None:
            raise RefusedError(
                413,
                f"the text has {len(text):,} characters, at most {self.limits.text_characters:,} are read",
                where="file",
                do="read only its first tokens (tokens)",
            )
        return text

    def file_of(self, given: Input) -> Path:
        """The file of an input, checked. Raises `RefusedError`."""
        return self.folders.data(str(given.file), self.limits.file_bytes, where="file")

    def run(self, found: Found, budget: float | None = None) -> Run:
        """A run's model."""
        from regard.train.run import load_run

        return self.models.get(("run", found.path, budget), lambda: load_run(found.path, budget=budget))

    def config(self, found: Found) -> dict[str, Any]:
        """What stands in a run's config.json. Raises `CheckpointError` for one that is not whole."""
        from regard.train.folder import RunFolder

        return RunFolder(found.path).told("settings", "data.digest", "data.test")

    def given(self, run: Run, given: Input) -> tuple[Given, int]:
        """(rows for a run, which of them from 0). Raises what the run raises, and `RefusedError` (422)."""
        from regard.tasks.task import Asked

        if given.text is not None or (run.task.typed is not None and kind_of_file(self.file_of(given)) == "text"):
            return run.typed([self.text_of(given)]), 0
        rows = run.given(Asked(self.file_of(given), truths=False, skip_refused=True))
        place = rows.place(given.row)
        if place is None:
            what = f"row {given.row}: {rows.name} has no such row that can be used"
            raise RefusedError(422, what, where="row", do=f"ask for one of {rows.few_numbers}")
        return rows, place


def title(found: Found, given: Input) -> str:
    """What a job is called: the model's name, and the beginning of its input."""
    if given.text is not None:
        shown = " ".join(given.text.split())
        cut = shown if len(shown) <= _TITLE else f"{shown[:_TITLE]}…"
        return f"{found.name}: {cut}"
    if given.part is not None:
        return f"{found.name}: row {given.row or 1} of its test part"
    row = "" if given.row is None else f", row {given.row}"
    return f"{found.name}: {Path(str(given.file)).name}{row}"


def ready(desk: Desk, found: Found, given: Input, *, budget: float | None = None) -> Ready:
    """Raises whatever reading the model or the input raises."""
    if found.kind == "run":
        return _of_run(desk, found, given, budget)
    if budget is not None:
        raise RefusedError(
            422, "budget goes with runs of a transformer core", where="budget", do="use the Spend room for this model"
        )
    if given.file is not None and kind_of_file(desk.file_of(given)) == "picture":
        picture = picture_from(desk.file_of(given))
        model = desk.models.get(("pictures", found.path), lambda: opened(found.path, pictures=True))
        return Ready(picture_subject(model, picture), lambda: None)
    text = desk.text_of(given)
    model = desk.models.get(("texts", found.path), lambda: opened(found.path))
    subject = read_by(model, text, tokens=given.tokens or _most(desk, text))
    return Ready(subject, lambda: None)


def _most(desk: Desk, text: str) -> int | None:
    """A text that may have more tokens than are read at once is cut there; a token has a character at least."""
    return desk.limits.tokens if len(text) > 4 * desk.limits.tokens else None


def _of_run(desk: Desk, found: Found, given: Input, budget: float | None) -> Ready:
    run = desk.run(found, budget)
    whole = given.text is not None or (given.row is None and kind_of_file(desk.file_of(given)) == "text")
    if whole and set(run.task.roles) == {"text", "label"}:
        text = desk.text_of(given)

        def answer() -> str:
            said = run.predict([text])[0]
            return f"{said.label} ({said.probability:.3f})"

        return Ready(read_by_run(run, text, tokens=given.tokens), answer, again=answer)
    rows, row = desk.given(run, given)
    batch = rows.part.batch(np.array([row]))
    # what explains an answer may watch the model itself, so that it comes before, and one plain pass is what is watched
    explained = explained_by(run, batch)
    subject = Subject(
        name=found.name,
        size=rows.shown[row],
        model=run.model,
        run=lambda: _passed(run, batch),
        traced=lambda recording: replace(_named(recording, explained), model=found.name),
    )
    told = None if explained is None else explained.answer
    return Ready(subject, lambda: told, lambda: _png(explained), lambda: _label(run, batch))


def _label(run: Run, batch: Any) -> str | None:
    """The label that a run gives to a batch of one, with its probability; None of a task without labels."""
    if run.task.tell is None:
        return None
    with torch.no_grad():
        said = run.task.tell(run.model, batch, run.setup)[0]
    known = isinstance(said.get("label"), str) and isinstance(said.get("probability"), float)
    return f"{said['label']} ({said['probability']:.3f})" if known else None


def explained_by(run: Run, batch: Any) -> Explained | None:
    """Where the run looked, of a batch of one; None where its task tells nothing. Not in torch's inference mode: what a
    model keeps from one call for the next would then take no gradients any more."""
    if run.task.explain is None:
        return None
    with torch.no_grad():
        return run.task.explain(run.model, batch, run.setup)


def _passed(run: Run, batch: Any) -> None:
    """One pass of the model; of tasks that judge nothing without a truth, the one that gives the answer."""
    try:
        run.task.judge(run.model, batch, run.setup)
    except RegardError:
        if run.task.tell is None:
            raise
        run.task.tell(run.model, batch, run.setup)


def _png(explained: Explained | None) -> bytes | None:
    return None if explained is None or explained.picture is None else explained.picture.png


def _named(recording: Recording, explained: Explained | None) -> Trace:
    """The trace of what may have been several passes: the last of them, its axes named where their lengths tell what
    they are."""
    trace = recording.trace(run=recording.runs - 1 if recording.runs > 1 else None)
    known = {} if explained is None else {len(each): each for each in _units(explained)}
    queries: dict[str, Sequence[Units]] = {}
    keys: dict[str, Sequence[Units]] = {}
    for layer in trace.layers:
        queries[layer.name] = (_fitting(known, len(layer.positions)),)
        keys[layer.name] = (_fitting(known, layer.keys),)
    main = keys[trace.layers[0].name][0]
    crossing = [one.name for one in trace.layers if len(queries[one.name][0]) != len(keys[one.name][0])]
    layers = tuple(replace(one, kind="cross") if one.name in crossing else one for one in trace.layers)
    return replace(trace, layers=layers, units=(main,), query_units=_tuples(queries), key_units=_tuples(keys))


def _tuples(units: dict[str, Sequence[Units]]) -> dict[str, tuple[Units, ...]]:
    return {name: tuple(each) for name, each in units.items()}


def _units(explained: Explained) -> list[Units]:
    """The input's units, and the same after a place of their own (a class token, a beginning)."""
    texts = tuple(unit.name for unit in explained.units)
    seen = explained.picture
    grid = (seen.rows, seen.columns) if seen is not None and seen.rows * seen.columns == len(texts) else None
    found = [Units(texts, explained.kind, grid=grid)]
    found.append(Units(("[1]", *texts), explained.kind, grid=grid, special=1))
    return found[::-1]  # of two of one length the input's counts


def _fitting(known: dict[int, Units], length: int) -> Units:
    if length in known:
        return known[length]
    if length == 1:
        return Units(("the whole input",), "vector")
    return Units.numbered(length, "place")
