"""`regard predict`: answers, one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regard.app.screen import Screen

if TYPE_CHECKING:
    from regard.tasks.task import Given
    from regard.train.run import Run

_DIGITS = 6  # of a number in an answer


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(predict)


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given several times.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file or folder of rows to answer.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="[ROLE=]NAME", help="The file's column to read. [as in training]")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file. [standard output]")] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on without rows that cannot be used.")
    ] = False,
) -> None:
    """Answer rows with a trained run, one JSON line each.

    A classifier's line has the label, its probability, and those of all labels.

    \b
    Examples:
      regard predict runs/sentiment-bilstm --text "A quiet, lovely film."
      regard predict runs/sentiment-bilstm --data examples/reviews.csv --column review --out answers.jsonl
    """
    if (text is None) == (data is None):
        raise typer.BadParameter("give either --text, or --data FILE")
    from regard.app.asked import columns_of
    from regard.app.given_text import typed
    from regard.app.scores import SHARE
    from regard.disk import write_atomically
    from regard.tasks.task import Asked
    from regard.train.run import load_run

    texts = [typed(one) for one in text or ()]
    loaded = load_run(run)
    if loaded.settings.core.budget < 1:
        typer.echo(SHARE.format(loaded.settings.core.budget), err=True)  # beside the lines of JSON, not among them
    if data is None:
        given = loaded.typed(texts)
    else:
        given = loaded.given(Asked(data, columns_of(loaded, column or ()), truths=False, skip_refused=skip_refused))
    answers = _lines(loaded, given, numbered=data is not None)
    if out is None:
        Screen().lines(answers)
        return
    write_atomically(out, "".join(f"{line}\n" for line in answers).encode())
    Screen().line(f"{len(given.part):,} answers written to {out}")


def _lines(run: Run, given: Given, *, numbered: bool) -> Iterator[str]:
    """One line of JSON a row; `row` counts the file's data rows from 1."""
    shown_as = run.task.roles[0] if run.task.roles else "given"
    for number, shown, told in zip(given.numbers, given.shown, run.told(given), strict=True):
        values: dict[str, Any] = {"row": number} if numbered else {}
        yield json.dumps(values | {shown_as: shown} | rounded(dict(told)), ensure_ascii=False)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list | tuple) else value
