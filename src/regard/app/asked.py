"""From what was typed to the settings of a run, and where the run lies by default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regard.app.shortcuts import TRAINING
from regard.spec.errors import SpecError
from regard.tasks.catalogue import TASKS
from regard.tasks.sections import DataSettings
from regard.tasks.settings import Settings, changed, differences
from regard.tasks.task import Task

if TYPE_CHECKING:
    from regard.train.run import Run

RUNS = Path("runs")


def asked_settings(
    task: Task,
    *,
    core: str | None = None,
    path: str | Path | None = None,
    typed: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> Settings:
    """A task's preset with what was typed put in its place: `typed` by the settings' paths, `assignments` as
    NAME=VALUE.

    With a file of one's own (`path`), every setting of the task's own data is forgotten, so that 5,000 held-out film
    reviews are never asked of a file with 300 rows.

    Raises:
        SpecError: no such preset or setting, a value out of range, what the task has no use for, or a task without data
            and none given.
    """
    settings = task.settings(core)
    if path is not None:
        own: dict[str, Any] = {"data": DataSettings(path=str(path)).model_dump()}
        if settings.tokens is not None and "text" in task.roles and "label" in task.roles:
            own["tokens.kind"] = "auto"
        for name in ("series", "events", "table"):  # what the task's own data are like says nothing of others
            section = getattr(settings, name)
            if section is not None:
                own[name] = type(section)().model_dump()
        settings = changed(settings, own)
    changes = dict(typed or {}) | dict(assignment(text) for text in assignments)
    settings = changed(settings, changes, where="what was typed")
    _check_options(task, settings, typed or {})
    task.check(settings)
    if settings.members is None and settings.data.path is None and settings.data.source is None:
        raise SpecError(f"{task.name} has no data of its own: name a file with --data FILE, as in: {task.example}")
    return settings


def _check_options(task: Task, settings: Settings, typed: Mapping[str, Any]) -> None:
    """As `Task.check` refuses a setting, an option by its own name, with the tasks that have a use for it."""
    changed_paths = {line.partition(":")[0] for line in differences(task.settings(), settings)}
    for option in TRAINING:
        if option.path in typed and option.path in task.unused and option.path in changed_paths:
            others = ", ".join(each.name for each in TASKS if option.path not in each.unused)
            raise SpecError(
                f"--{option.name} {typed[option.path]}: task {task.name} has no use for it; leave it out (it is for "
                f"{others})"
            )


def default_folder(settings: Settings, preset: str | None = None) -> Path:
    """Where a run lies unless --out says otherwise: the same command finds the same folder, and so goes on."""
    parts = [settings.task]
    if settings.data.path is not None:
        parts.append(re.sub(r"\W+", "-", Path(settings.data.path).stem).strip("-") or "data")
    parts.append(settings.core.kind if preset is None else preset)
    if settings.train.init is not None:
        parts.append(f"from-{Path(settings.train.init).resolve().name}")
    if settings.train.seed:
        parts.append(f"seed{settings.train.seed}")
    if settings.train.focus is not None:
        parts.append(f"focus{settings.train.focus:g}")
    if settings.core.budget < 1:
        parts.append(f"budget{settings.core.budget:g}")
    return RUNS / "-".join(parts)


def columns_from(assignments: Sequence[str]) -> dict[str, str]:
    """["text=review"] -> {"text": "review"}.

    Raises:
        SpecError: one is no ROLE=NAME.
    """
    found = {}
    for text in assignments:
        role, sign, name = text.partition("=")
        if not sign or not role.strip() or not name:
            raise SpecError(f"--column {text!r}: expected ROLE=NAME, such as --column text=review")
        found[role.strip()] = name
    return found


def assignment(text: str) -> tuple[str, Any]:
    """train.rate=0.001 -> ("train.rate", 0.001). What is no JSON value is text.

    Raises:
        SpecError: it is no NAME=VALUE.
    """
    path, sign, value = text.partition("=")
    if not sign or not path.strip():
        raise SpecError(f"--set {text!r}: expected NAME=VALUE, such as --set train.rate=0.001")
    try:
        return path.strip(), json.loads(value)
    except ValueError:
        return path.strip(), value


def columns_of(run: Run, typed: Sequence[str]) -> dict[str, str]:
    """What `--column` says for a trained run: a name alone is that of the first column that its task reads."""
    first = run.task.roles[0] if run.task.roles else ""
    return columns_from([one if "=" in one else f"{first}={one}" for one in typed])
