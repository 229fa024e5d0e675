"""The settings of a run: everything that was asked for, checked once, and written to `config.json`.

Unknown keys are refused, so that a typing error can never be a setting that does nothing; and so are sections that a
task does not use.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from regard.spec.errors import SpecError
from regard.tasks.sections import (
    STRICT,
    AnswerSettings,
    CoreSettings,
    DataSettings,
    EventSettings,
    FindingSettings,
    HiddenSettings,
    ImageSettings,
    SeenSettings,
    SeriesSettings,
    SoundSettings,
    SymbolSettings,
    TableSettings,
    TokenSettings,
    TrainSettings,
    WritingSettings,
)

__all__ = [
    "AnswerSettings",
    "CoreSettings",
    "DataSettings",
    "EventSettings",
    "FindingSettings",
    "HiddenSettings",
    "ImageSettings",
    "SeenSettings",
    "SeriesSettings",
    "Settings",
    "SoundSettings",
    "SymbolSettings",
    "TableSettings",
    "TokenSettings",
    "TrainSettings",
    "WritingSettings",
    "changed",
    "differences",
    "names",
    "plain",
    "sections",
    "settings_from",
]

Section = TypeVar("Section", bound=BaseModel)


class Settings(BaseModel):
    """One run. Two runs with equal settings, data and software give equal numbers on the same machine.

    A section that is None is one that the task does not use; in JSON it is not there. `members`: the data of each task
    of several on one core, in place of `data`.
    """

    model_config = STRICT

    task: str
    data: DataSettings = DataSettings()
    members: dict[str, DataSettings] | None = None
    tokens: TokenSettings | None = None
    hidden: HiddenSettings | None = None
    writing: WritingSettings | None = None
    image: ImageSettings | None = None
    finding: FindingSettings | None = None
    seen: SeenSettings | None = None
    sound: SoundSettings | None = None
    series: SeriesSettings | None = None
    events: EventSettings | None = None
    table: TableSettings | None = None
    symbols: SymbolSettings | None = None
    answers: AnswerSettings | None = None
    core: CoreSettings = CoreSettings()
    train: TrainSettings = TrainSettings()

    def section(self, kind: type[Section]) -> Section:
        """The section of that kind, of a task that uses it.

        Raises:
            SpecError: the settings have none.
        """
        for name in sections(self):
            found = getattr(self, name)
            if isinstance(found, kind):
                return found
        raise SpecError(f"the settings of task {self.task} have no {kind.__name__}; their sections: {sections(self)}")


def sections(settings: Settings) -> tuple[str, ...]:
    """The names of the sections that these settings have."""
    return tuple(name for name in Settings.model_fields if name != "task" and getattr(settings, name) is not None)


def plain(settings: Settings) -> dict[str, Any]:
    """The settings as plain values for JSON, without the sections that are not there."""
    return {name: value for name, value in settings.model_dump().items() if value is not None}


def settings_from(values: Mapping[str, Any], *, where: str = "settings") -> Settings:
    """Checked settings from plain values (of JSON, say). `where` names their origin in messages.

    Raises:
        SpecError: for an unknown key (with the keys there are), a value out of its range, or a budget for a model that
            cannot keep one; one line for all.
    """
    try:
        found = Settings.model_validate(values)
    except ValidationError as error:
        raise SpecError(f"{where}: " + "; ".join(_sentences([dict(e) for e in error.errors()]))) from None
    if found.core.kind != "transformer" and found.core.budget < 1:
        raise SpecError(
            f"{where}: core.budget was {found.core.budget:g}, and a {found.core.kind} reads every token: only a "
            "transformer has a budget (--core transformer)"
        )
    return found


def changed(settings: Settings, changes: Mapping[str, Any], *, where: str = "settings") -> Settings:
    """The settings with some values replaced, named by dotted paths: `{"train.epochs": 3}`.

    Raises:
        SpecError: for a path that is no setting, or of a section that the task does not use, or a value out of its
            range.
    """
    values = settings.model_dump()
    for path, value in changes.items():
        *rooms, key = path.split(".")
        inner = values
        for room in rooms:
            if room in Settings.model_fields and values.get(room) is None:
                there = ", ".join(sections(settings))
                raise SpecError(f"{where}: {path}: task {settings.task} has no section {room}; those it has: {there}")
            inner = inner.get(room, {})
            if not isinstance(inner, dict) or not (inner or room == "columns"):
                raise SpecError(f"{where}: {path} is no setting{_nearest(path)}")
        inner[key] = value
    return settings_from(values, where=where)


def names() -> tuple[str, ...]:
    """The dotted path of every setting, in order: `task`, `data.source`, ... (for command-line help)."""
    return tuple(
        f"{name}.{inner}" if inner else name for name, field in Settings.model_fields.items() for inner in _inner(field)
    )


def differences(left: Settings, right: Settings) -> tuple[str, ...]:
    """Which settings differ, one sentence each: `train.seed: 0 there, 1 here`."""
    old, new = left.model_dump(), right.model_dump()
    return tuple(f"{path}: {_at(old, path)!r} there, {_at(new, path)!r} here" for path in names()
                 if _at(old, path) != _at(new, path))  # fmt: skip


def _inner(field: Any) -> tuple[str, ...]:
    for kind in (field.annotation, *get_args(field.annotation)):  # a section, or one that may be absent
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return tuple(kind.model_fields)
    return ("",)


def _at(values: Mapping[str, Any], path: str) -> Any:
    room, _, key = path.partition(".")
    return (values[room] or {}).get(key) if key else values[room]


def _sentences(errors: Sequence[Mapping[str, Any]]) -> list[str]:
    """One sentence for each setting; a setting that may be of two kinds has an error for each, joined by "or"."""
    found: dict[str, str] = {}
    for error in errors:
        path = ".".join(str(part) for part in error["loc"][:2])  # what follows is the kind that was tried
        told = f"{error['msg'][:1].lower()}{error['msg'][1:]}"
        if error["type"] == "extra_forbidden":
            found[path] = f"{path} is no setting{_nearest(path)}"
        elif error["type"] == "missing":
            found[path] = f"{path} is missing"
        else:
            found[path] = f"{found[path]}, or {told}" if path in found else f"{path} was {error['input']!r}: {told}"
    return list(found.values())


def _nearest(path: str) -> str:
    room = path.rpartition(".")[0]
    siblings = [name for name in names() if name.rpartition(".")[0] == room] or list(names())
    near = difflib.get_close_matches(path, names(), n=1)
    asked = f" (did you mean {near[0]}?)" if near else ""
    return f"{asked}; the settings there are: {', '.join(siblings)}"
