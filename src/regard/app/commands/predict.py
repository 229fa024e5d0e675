"""`regard predict`: answers, one JSON object a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(predict)


def predict(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    text: Annotated[list[str] | None, typer.Option(help="A text; may be given several times.")] = None,
    data: Annotated[Path | None, typer.Option(help="A csv, tsv, jsonl or parquet file with texts.")] = None,
    column: Annotated[str | None, typer.Option(help="The file's column with the texts. [as in training]")] = None,
    out: Annotated[Path | None, typer.Option(help="Write to this file. [standard output]")] = None,
    skip_refused: Annotated[
        bool, typer.Option("--skip-refused", help="Go on without rows that cannot be used.")
    ] = False,
) -> None:
    """Answer texts with a trained run, one JSON line each.

    A line has the label, its probability, and those of all labels.

    \b
    Examples:
      regard predict runs/sentiment-bilstm --text "A quiet, lovely film."
      regard predict runs/sentiment-bilstm --data examples/reviews.csv --column review --out answers.jsonl
    """
    if (text is None) == (data is None):
        raise typer.BadParameter("give either --text, or --data FILE")
    from regard.app.given_text import typed
    from regard.disk import write_atomically
    from regard.tasks.table import usable
    from regard.tasks.table_reading import read_table
    from regard.train.run import load_run

    texts = [typed(one) for one in text or ()]
    loaded = load_run(run)
    numbers: list[int] | None = None
    if data is not None:
        table = read_table(data, text=column or loaded.settings.data.text, label=None)
        rows = usable(table, skip_refused=skip_refused)
        texts, numbers = [row.text for row in rows], [row.number for row in rows]
    answers = [_answer(found, None if numbers is None else numbers[i]) for i, found in enumerate(loaded.predict(texts))]
    if out is None:
        Screen().lines(answers)
        return
    write_atomically(out, "".join(f"{line}\n" for line in answers).encode())
    Screen().line(f"{len(answers):,} answers written to {out}")


def _answer(found: Any, number: int | None) -> str:
    """One line of JSON; `row` counts the file's data rows from 1."""
    values: dict[str, Any] = {} if number is None else {"row": number}
    values |= {
        "text": found.text,
        "label": found.label,
        "probability": round(found.probability, 6),
        "probabilities": {label: round(probability, 6) for label, probability in found.probabilities},
    }
    return json.dumps(values, ensure_ascii=False)
