"""The runs of the folders, done or not: scores, curves, and what would train them again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.app.studio.damage import damage
from regard.app.studio.folders import Folders, kind_of_folder
from regard.app.studio.limits import Limits
from regard.app.studio.refusals import RefusedError
from regard.app.studio.subjects import identity, places
from regard.app.studio.typed import train_line
from regard.spec.errors import RegardError
from regard.tasks.settings import plain, settings_from
from regard.tasks.task import task_named
from regard.train.folder import RunFolder, read_json
from regard.train.result import read_result

_LOG_BYTES = 50_000_000
_FIGURES = ("task", "core", "score", "baseline", "baseline_name", "protocol", "epochs", "minutes", "why")


def runs(folders: Folders, limits: Limits, training: Mapping[Path, str]) -> list[dict[str, Any]]:
    """Every run. training: by folder, the job that trains it now."""
    found = [path for path in places(folders, limits.depth) if kind_of_folder(path) == "run"]
    return [_told(path, training.get(path)) for path in found[: limits.subjects]]


def run_of(folders: Folders, limits: Limits, given: str) -> Path:
    """The run of that id. Raises `RefusedError` (404)."""
    for path in places(folders, limits.depth):
        if kind_of_folder(path) == "run" and identity(path) == given:
            return path
    raise RefusedError(404, "there is no such run", where="run", do="choose one that /api/runs lists")


def log(path: Path) -> dict[str, Any]:
    """A run's log, metrics and settings.

    Raises `RefusedError` (409) for one whose files cannot be read, or are larger than any log of ours.
    """
    folder = RunFolder(path)
    try:
        points = _points(folder)
        config = folder.told("asked", "settings")
        metrics = _metrics(folder)
        line = _line(path, config)
    except (RegardError, OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(
            409, f"the run {path.name} is damaged ({error})", where="run", do="train it again in a new folder"
        ) from None
    asked = config["asked"]
    kept = {"asked": asked, "settings": config["settings"], "data": config.get("data")}
    own = {"id": identity(path), "name": path.name, "path": str(path)}
    return own | {"points": points, "metrics": metrics, "config": kept, "command": line}


def _metrics(folder: RunFolder) -> dict[str, Any] | None:
    """As they are written, and whole; None of a run that is not done."""
    if not folder.metrics.is_file():
        return None
    read_result(folder)
    found: dict[str, Any] = read_json(folder.metrics)
    return found


def _points(folder: RunFolder) -> list[dict[str, Any]]:
    place = folder.record.path
    if place.is_file() and place.stat().st_size > _LOG_BYTES:
        raise ValueError("the log is too large")
    return folder.record.lines()


def _told(path: Path, job: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {"id": identity(path), "name": path.name, "path": str(path), "job": job}
    empty = dict.fromkeys(_FIGURES)
    folder = RunFolder(path)
    wrong = damage(path, "run")
    if wrong is not None:
        return row | empty | {"state": "damaged", "why": wrong}
    try:
        config = folder.told("settings.task", "settings.core.kind")
        settings = config["settings"]
        row |= empty | {"task": settings["task"], "core": settings["core"]["kind"]}
        if not folder.metrics.is_file():
            return row | {"state": "begun" if job is None else "training"}
        metrics = read_json(folder.metrics)
        score, best = metrics["scores"][0], _best(metrics["baselines"])
        return row | {
            "state": "done",
            "score": score,
            "baseline": None if best is None else best["scores"][0],
            "baseline_name": None if best is None else best["name"],
            "protocol": score["protocol"],
            "epochs": metrics["training"]["epochs"],
            "minutes": metrics.get("cost", {}).get("minutes"),
        }
    except (RegardError, OSError, KeyError, ValueError, TypeError, IndexError) as error:
        return row | empty | {"state": "damaged", "why": f"config.json says nothing that can be used ({error})"}


def _best(baselines: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one whose first score is the best; None where there are none."""
    if not baselines:
        return None
    first = baselines[0]["scores"][0]
    choose = min if first.get("better") == "lower" else max
    return choose(baselines, key=lambda one: float(one["scores"][0]["value"]))


def _line(path: Path, config: Mapping[str, Any]) -> str:
    """The command that trains this run again, in the same folder."""
    from regard.tasks.catalogue import TASKS

    asked = settings_from(config["asked"], where=str(path))
    task = task_named(asked.task, TASKS)
    name = next((name for name, one in task.presets.items() if one.core.kind == asked.core.kind), None)
    before, now = plain(task.settings(name)), plain(asked)
    settings = {
        f"{section}.{key}": value
        for section, part in now.items()
        if isinstance(part, dict)
        for key, value in part.items()
        if before.get(section, {}).get(key) != value and isinstance(value, str | int | float | bool | None)
    }
    data = asked.data.path
    settings.pop("data.path", None)
    columns = dict(asked.data.columns)
    if data is not None:
        settings.pop("data.source", None)
    return shlex.join(["regard", *train_line(asked.task, name, data, columns, settings, path)])
