"""The tasks that can be trained, as the page lists them."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

from regard.app.studio.subjects import input_of
from regard.tasks.catalogue import TASKS
from regard.tasks.settings import Settings, plain, sections
from regard.tasks.sources import present, source
from regard.tasks.task import Task


def tasks() -> list[dict[str, Any]]:
    """Every task: what is said of it, and the settings of its default preset."""
    return [{**_told(task), "here": _here(task)} for task in TASKS]


@cache
def _told_by_name(name: str) -> dict[str, Any]:
    task = next(one for one in TASKS if one.name == name)
    settings = task.settings()
    return {
        "name": task.name,
        "about": task.about,
        "example": task.example,
        "beside": task.beside,
        "takes": task.takes,
        "files": task.files,
        "input": input_of(plain(settings)),
        "presets": list(task.presets),
        "columns": list(task.roles),
        "data": settings.data.source,
        "settings": _settings(settings, set(task.unused)),
    }


def _told(task: Task) -> dict[str, Any]:
    return _told_by_name(task.name)


def _here(task: Task) -> bool:
    """Whether the data of its own are on this machine already."""
    settings = task.settings()
    named = [data.source for data in (settings.members or {"": settings.data}).values()]
    return all(name is not None and present(source(name)) for name in named)


def _settings(settings: Settings, unused: set[str]) -> list[dict[str, Any]]:
    """Each setting by its dotted path, with its value and what it is about, where that is said."""
    found = []
    for section in sections(settings):
        part = getattr(settings, section)
        if not isinstance(part, BaseModel):
            continue
        for name, field in type(part).model_fields.items():
            value, path = getattr(part, name), f"{section}.{name}"
            if path not in unused and isinstance(value, str | int | float | bool | None) and "path" not in name:
                found.append({"path": path, "value": value, "about": field.description or ""})
    return found
