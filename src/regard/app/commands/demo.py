"""`regard demo`: from nothing to a trained model and an explained review."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regard.app.screen import Screen

if TYPE_CHECKING:
    from regard.train.run import Run

_PRESET = "demo"
_SHOWN = (200, 500)  # characters of the review that is shown: long enough to say something, short enough for a screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
) -> None:
    """Train on film reviews, and see which words decided.

    Ends with the score on reviews that training never saw, a baseline's, and one review explained.
    Takes a few minutes on two cores, after a download of 13 MB. Typed again, it goes on where it was stopped.

    \b
    Example:
      regard demo
    """
    from regard.app.explaining import Wish, explained, show
    from regard.app.run_asking import RunAsking
    from regard.app.scores import show_result
    from regard.app.sitting import sit
    from regard.tasks.catalogue import TASKS
    from regard.train.run import load_run

    screen = Screen()
    task = next(task for task in TASKS if _PRESET in task.presets)
    result = sit(screen, task.settings(_PRESET), out)
    screen.line()
    show_result(screen, result)
    run = load_run(out)
    review = held_out(run)
    screen.line()
    screen.title(f"Row {review.number} of the data, held out from training; its label is {review.label!r}")
    asked = RunAsking(run, run.typed([review.text]), 0, None)
    question = asked.question(None)
    show(screen, asked.reading(explained(screen, question, Wish(), sample=(), choose=()), question))
    screen.line()
    screen.line(f"Next: regard explain {shlex.quote(str(out))} --text 'your own words' --html page.html")


def held_out(run: Run) -> Any:
    """The first row of the test part (whose order is fixed) that fits on a screen: not chosen for its looks.

    Where none fits, the shortest.
    """
    from regard.tasks.event import unheard

    rows = run.task.prepare(run.settings, run.setup.kept, unheard).rows.test
    fitting = (row for row in rows if _SHOWN[0] <= len(row.text) <= _SHOWN[1])
    return next(fitting, min(rows, key=lambda row: len(row.text)))
