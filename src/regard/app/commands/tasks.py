"""`regard tasks`: what can be trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
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
    from regard.tasks.classify import TASKS

    screen = Screen()
    for place, task in enumerate(TASKS):
        if place:
            screen.line()
        screen.title(task.name)
        screen.lines(f"  {line}" for line in sheet(("", ""), rows(task), words=2)[1:])


def rows(task: Task) -> list[tuple[str, str]]:
    """What the task table says of a task, as (what, words)."""
    import numpy as np

    from regard.tasks.table_reading import SUFFIXES

    data = task.settings().data
    default = f"{data.source}, unless --data names a file" if data.source else "none: name a file with --data"
    right = np.zeros(1, dtype=np.int64)
    metrics = task.measure(right, right, 2, "part:test")  # of one right answer: asked for the names alone
    return [
        ("about", task.about),
        ("models", ", ".join(sorted({settings.core.kind for settings in task.presets.values()}))),
        ("files", f"{', '.join(SUFFIXES)} with a column of texts and a column of labels"),
        ("data", default),
        ("test part", _part(data.test_rows)),
        ("metrics", ", ".join(metric.full_name for metric in metrics)),
        ("baselines", task.beside),
        ("takes", task.takes),
        ("example", task.example),
    ]


def _part(rows: float) -> str:
    held = f"{int(rows):,} rows" if rows >= 1 else f"{rows:.0%} of the rows"
    return f"{held}, held out; looked at once, at the end"
