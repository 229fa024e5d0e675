"""From what was typed to the settings of a run, and where the run lies by default."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.spec.errors import SpecError
from regard.tasks.settings import DataSettings, Settings, changed
from regard.tasks.task import Task

PRECISIONS = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}  # regard's word -> accelerate's
RUNS = Path("runs")


def asked_settings(
    task: Task,
    *,
    core: str | None = None,
    data: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any] | None = None,
    assignments: Sequence[str] = (),
) -> Settings:
    """A task's preset with what was typed put in its place; options that were not typed are None.

    With a file of one's own (`data["path"]`), every setting of the task's own data is forgotten, so that 5,000
    held-out film reviews are never asked of a file with 300 rows.

    Raises:
        SpecError: no such preset or setting, a value out of range, or a task without data and none given.
    """
    settings = task.settings(core)
    given = {name: value for name, value in (data or {}).items() if value is not None}
    if "path" in given:
        plain = DataSettings(path=str(given["path"])).model_dump()
        tokens = settings.tokens.model_dump() | {"kind": "auto"}
        settings = changed(settings, {"data": plain, "tokens": tokens})
    typed = {f"data.{name}": str(value) for name, value in given.items()}
    typed |= {name: value for name, value in (changes or {}).items() if value is not None}
    typed |= dict(_assignment(text) for text in assignments)
    settings = changed(settings, typed, where="what was typed")
    if settings.data.path is None and settings.data.source is None:
        raise SpecError(f"{task.name} has no data of its own: name a file with --data FILE, as in: {task.example}")
    return settings


def default_folder(settings: Settings) -> Path:
    """Where a run lies unless --out says otherwise: the same command finds the same folder, and so goes on."""
    parts = [settings.task]
    if settings.data.path is not None:
        parts.append(re.sub(r"\W+", "-", Path(settings.data.path).stem).strip("-") or "data")
    parts.append(settings.core.kind)
    if settings.train.seed:
        parts.append(f"seed{settings.train.seed}")
    if settings.train.focus is not None:
        parts.append(f"focus{settings.train.focus:g}")
    if settings.core.budget < 1:
        parts.append(f"budget{settings.core.budget:g}")
    return RUNS / "-".join(parts)


def _assignment(text: str) -> tuple[str, Any]:
    """train.rate=0.001 -> ("train.rate", 0.001). What is no JSON value is text."""
    path, sign, value = text.partition("=")
    if not sign or not path.strip():
        raise SpecError(f"--set {text!r}: expected NAME=VALUE, such as --set train.rate=0.001")
    try:
        return path.strip(), json.loads(value)
    except ValueError:
        return path.strip(), value
