"""A run's own test part, as rows of the file that it lies in: only where that file is in the studio's folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regard.app.studio.folders import Folders, kind_of_file
from regard.app.studio.inputs import Input
from regard.app.studio.readying import Desk
from regard.app.studio.refusals import RefusedError
from regard.app.studio.subjects import Found
from regard.tasks.event import unheard
from regard.tasks.task import Asked

if TYPE_CHECKING:
    from regard.tasks.task import Given
    from regard.train.run import Run

_DO = "give a file, and a row of it"


def data_of(config: Mapping[str, Any], folders: Folders) -> Path | None:
    """Where a run's test part lies, by its config.json; None where that is a named set, or outside of the folders."""
    data = config["settings"].get("data") or {}
    given = data.get("test_path") or data.get("path")
    if given is None or data.get("source") is not None or data.get("test_source") is not None:
        return None
    try:
        path = folders.inside(str(Path(given).resolve()))
    except (RefusedError, OSError, RuntimeError, ValueError):  # out of the folders, or a loop of links
        return None
    return path if path.exists() and kind_of_file(path) != "text" else None


def without(desk: Desk, found: Found) -> RefusedError:
    """That there is no test part which can be read here, and why. Raises `CheckpointError` for a run not whole."""
    why = "it is no run"
    if found.kind == "run":
        data = desk.config(found)["settings"].get("data") or {}
        path, named = data.get("test_path") or data.get("path"), data.get("test_source") or data.get("source")
        why = "its task reads no rows of a file, or its config.json names none"
        if named is not None:
            why = f"its rows are of the named set {named}, and in no file of the studio's folders"
        elif path is not None and data_of({"settings": {"data": data}}, desk.folders) is None:
            why = f"its file {Path(path).name} is not in the studio's folders"
    what = f"{found.name} has no test part that can be read here: {why}"
    return RefusedError(422, what, where="part", do=_DO)


def own_row(desk: Desk, found: Found, given: Input) -> Input:
    """A row of the run's test part, counted from 1, as the row of its file.

    Raises `RefusedError` where the file is not (422), or no longer (409), what the run was trained on, or has no such
    row (422).
    """
    path, rows, places = _own(desk, found)
    row = given.row or 1
    if row > len(places):
        what = f"row {row}: the test part of {found.name} has {len(places):,} rows"
        raise RefusedError(422, what, where="row", do="ask for one of them")
    return Input(file=str(path), row=rows.numbers[places[row - 1]], tokens=given.tokens)


def own_places(desk: Desk, found: Found) -> tuple[Path, list[int]]:
    """(the file, of its rows that can be used the places, from 0, of those of the test part). Raises as `own_row`."""
    path, _, places = _own(desk, found)
    return path, places


def _own(desk: Desk, found: Found) -> tuple[Path, Given, list[int]]:
    """The file, its rows that can be used, and which of them are of the test part."""
    run = desk.run(found)
    path = data_of({"settings": run.settings.model_dump(mode="json")}, desk.folders)
    if path is None:
        raise without(desk, found)
    desk.folders.data(str(path), desk.limits.file_bytes, where="part")
    data = desk.config(found)["data"]
    if run.task.digest(run.settings, unheard) != data["digest"]:
        what = f"{path.name} is no longer what {found.name} was trained on"
        raise RefusedError(409, what, where="part", do=_DO)
    rows = run.given(Asked(path, truths=False, skip_refused=True))
    return path, rows, _places(run, path, rows, int(data["test"]))


def _places(run: Run, path: Path, rows: Given, count: int) -> list[int]:
    """Rows that the run was neither trained nor validated on, each input once; where these are more than the `count`
    rows of the test part, without inputs that have several answers, which are in no part."""
    found: dict[int, int] = {}
    for place, mark in enumerate(rows.marks.tolist()):
        if run.trained_on(rows, place) is False:
            found.setdefault(mark, place)
    if len(found) != count:
        once = _of_one_answer(run.given(Asked(path, skip_refused=True)))
        found = {mark: place for mark, place in found.items() if mark in once}
    if len(found) != count:
        raise RefusedError(
            409,
            f"which rows of {path.name} are the test part cannot be told: {len(found):,} were not trained on, and it "
            f"had {count:,}",
            where="part",
            do=_DO,
        )
    return list(found.values())


def _of_one_answer(rows: Given) -> set[int]:
    answers: dict[int, set[str]] = {}
    for mark, truth in zip(rows.marks.tolist(), rows.part.truths, strict=True):
        answers.setdefault(mark, set()).add(str(truth))
    return {mark for mark, each in answers.items() if len(each) == 1}
