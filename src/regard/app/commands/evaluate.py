"""`regard evaluate`: a trained run on other rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen
from regard.app.share import share


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(evaluate)


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    data: Annotated[Path, typer.Option(help="A file or folder, such as the run was trained on.")],
    text: Annotated[str | None, typer.Option(help="Column with the texts. [as in training]")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the labels. [as in training]")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help="Any other column. [as in training]")
    ] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on without rows that cannot be used.")
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            parser=share, metavar="SHARE", help="Of a text's tokens that the layers process. [as in training]"
        ),
    ] = None,
) -> None:
    """Score a trained run on a file of rows with their answers.

    \b
    Examples:
      regard evaluate runs/sentiment-bilstm --data examples/reviews.csv --text review --label verdict
      regard evaluate runs/sentiment-transformer --data examples/reviews.csv --text review --label verdict --budget 0.5
    """
    from regard.app.asked import columns_from
    from regard.app.scores import PROCESSED, show_scores
    from regard.train.run import load_run

    found = load_run(run, budget=budget).evaluate(
        data, columns=columns_from(column or ()), text=text, label=label, skip_refused=skip_refused
    )
    screen = Screen()
    screen.title(f"{found.rows:,} rows of {data.name}")
    show_scores(screen, found.scores)
    if found.processed < 1:
        screen.line(PROCESSED.format(found.processed))
    if found.refused:
        screen.line(f"{found.refused:,} rows cannot be used and were left out")
    if found.seen:
        screen.line(f"{found.seen:,} of the rows were seen in training: the score says less of new ones")
