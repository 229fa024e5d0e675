"""`regard train`: one task, on its own data or on yours."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from regard.app.screen import Screen
from regard.app.shortcuts import TRAINING, typed_settings, with_options


class _WithTasks(TyperCommand):
    """Help that ends with the tasks there are, out of the task table, which is loaded for it only."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        try:
            from regard.tasks.catalogue import TASKS
        except ModuleNotFoundError as error:
            if (error.name or "regard").startswith("regard"):
                raise
            formatter.write(f"\nThe tasks are listed once {error.name} is installed: pip install 'regard[train]'\n")
            return
        with formatter.section("Tasks"):
            formatter.write_dl([(task.name, f"{task.about}. Such as: {task.example}") for task in TASKS])


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command(cls=_WithTasks)(train)


@with_options(TRAINING)
def train(
    task: Annotated[str, typer.Argument(help="Which task; they are listed below.")],
    data: Annotated[Path | None, typer.Option(help="A file or folder of your own; see: regard tasks.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. [runs/TASK-...]")] = None,
    core: Annotated[str | None, typer.Option(help="The model, such as bilstm or transformer.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help="What a column of your file is called.")
    ] = None,
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, as tokens.kind=characters."),
    ] = None,
    **typed: Any,
) -> None:
    """Train a model, and score it beside baselines.

    The score is on rows that training never saw, each part of it with a 95% interval.

    The same command again goes on where it was stopped. Several processes: torchrun -m regard train ...

    \b
    Examples:
      regard train sentiment
      regard train classify --data examples/reviews.csv --text review --label verdict
      regard train sentiment --focus 8
      regard train sentiment --core transformer --budget 0.5
      regard train sentiment --core transformer --seed 1 --set train.rate=0.0005
    """
    from regard.app.asked import asked_settings, columns_from, default_folder
    from regard.app.scores import show_result
    from regard.app.sitting import sit
    from regard.tasks.catalogue import TASKS
    from regard.tasks.task import task_named

    found = task_named(task, TASKS)
    columns = {f"data.columns.{role}": name for role, name in columns_from(column or ()).items()}
    settings = asked_settings(
        found, core=core, path=data, typed=typed_settings(TRAINING, typed) | columns, assignments=assign or ()
    )
    folder = default_folder(settings, core) if out is None else out
    screen = Screen()
    result = sit(screen, settings, folder)
    screen.line()
    show_result(screen, result)
    screen.line()
    screen.line(f"The run lies in {result.folder}")
    if found.typed is not None:
        verb = "explain" if found.explain is not None else "predict"
        screen.line(f"Next: regard {verb} {shlex.quote(str(result.folder))} --text 'your own words'")
    elif found.read is not None:
        screen.line(f"Next: regard predict {shlex.quote(str(result.folder))} --data FILE")
