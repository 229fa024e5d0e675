"""`regard tasks`: what can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.tasks.settings import Settings
    from regard.tasks.task import Task


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(tasks)


def tasks() -> None:
    """The tasks that can be trained.

    Each with its data, models, metrics with their protocol, baselines, how long it takes, and an example.

    \b
    Example:
      regard tasks
    """
    from regard.tasks.catalogue import TASKS

    screen = Screen()
    for place, task in enumerate(TASKS):
        if place:
            screen.line()
        screen.title(task.name)
        screen.lines(f"  {line}" for line in sheet(("", ""), rows(task), words=2)[1:])


def rows(task: Task) -> list[tuple[str, str]]:
    """What the task table says of a task, as (what, words)."""
    from regard.tasks.task import Setup

    settings = task.settings()
    columns = f"; columns: {', '.join(task.roles)}" if task.roles else ""
    metrics = ", ".join(f"{one.name} ({one.better} is better)" for one in task.measures(Setup(settings)))
    chosen = "the first metric" if task.chosen_by == "metric" else "the loss"
    return [
        ("about", task.about),
        ("models", ", ".join(sorted({one.core.kind for one in task.presets.values()}))),
        ("files", f"{task.files}{columns}"),
        ("data", _data(settings)),
        ("test part", _part(settings.data.test_rows)),
        ("metrics", f"{metrics}; each with a 95% interval"),
        ("best epoch", f"by {chosen} on the validation part"),
        ("baselines", task.beside),
        ("takes", task.takes),
        ("example", task.example),
    ]


def _data(settings: Settings) -> str:
    if settings.members is not None:
        return "; ".join(f"{name}: {data.source or data.path}" for name, data in settings.members.items())
    data = settings.data
    return f"{data.source}, unless --data names a file" if data.source else "none: name a file with --data"


def _part(rows: float) -> str:
    held = f"{int(rows):,} rows" if rows >= 1 else f"{rows:.0%} of the rows"
    return f"{held}, held out; looked at once, at the end"
