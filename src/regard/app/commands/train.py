"""`regard train`: one task, on its own data or on yours."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from regard.app.screen import Screen


class _WithTasks(TyperCommand):
    """Help that ends with the tasks there are, out of the task table, which is loaded for it only."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        super().format_epilog(ctx, formatter)
        try:
            from regard.tasks.classify import TASKS
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


def train(
    task: Annotated[str, typer.Argument(help="Which task; they are listed below.")],
    data: Annotated[Path | None, typer.Option(help="A csv, tsv, jsonl or parquet file of your own.")] = None,
    test: Annotated[Path | None, typer.Option(help="A file that is the test part; else a part is held out.")] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts. [text]")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the labels. [label]")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run. [runs/TASK-...]")] = None,
    core: Annotated[str | None, typer.Option(help="The model: bilstm or transformer.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training part.")] = None,
    seed: Annotated[int | None, typer.Option(help="Decides order, first weights and dropout.")] = None,
    focus: Annotated[
        float | None, typer.Option(help="Train attention towards this breadth: effective tokens a text.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(help="Share of a text's tokens that a transformer's layers process. [1]")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    assign: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting, as tokens.kind=characters."),
    ] = None,
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
    from regard.app.asked import PRECISIONS, asked_settings, default_folder
    from regard.app.scores import show_result
    from regard.app.sitting import sit
    from regard.tasks.classify import TASKS
    from regard.tasks.task import task_named

    if precision not in PRECISIONS:
        raise typer.BadParameter(f"{precision!r} is none of {', '.join(PRECISIONS)}", param_hint="--precision")
    settings = asked_settings(
        task_named(task, TASKS),
        core=core,
        data={"path": data, "test_path": test, "text": text, "label": label},
        changes={"train.epochs": epochs, "train.seed": seed, "train.focus": focus, "core.budget": budget},
        assignments=assign or (),
    )
    folder = default_folder(settings) if out is None else out
    # How a run is launched is accelerate's to know, and it reads it here; `accelerate launch` may have set it before.
    if precision != "float32":
        os.environ["ACCELERATE_MIXED_PRECISION"] = PRECISIONS[precision]
    screen = Screen()
    result = sit(screen, settings, folder)
    screen.line()
    show_result(screen, result)
    screen.line()
    screen.line(f"The run lies in {result.folder}")
    screen.line(f"Next: regard explain {shlex.quote(str(result.folder))} --text 'your own words'")
