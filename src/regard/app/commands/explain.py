"""`regard explain`: what a trained run looked at, with evidence beside the picture where there is some."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


def explain(
    run: Annotated[Path, typer.Argument(help="Folder of a trained run.")],
    text: Annotated[str | None, typer.Option(help="The text to read.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text file, read as one text.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file of rows, such as the run was trained on.")] = None,
    row: Annotated[int, typer.Option(min=1, help="Which of the rows that can be used, from 1.")] = 1,
    html: Annotated[Path | None, typer.Option(help="Also write one HTML file that opens offline.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Words taken away in the check.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides the random words of the check.")] = 0,
) -> None:
    """What a trained run looked at.

    Of a text: the answer, the words coloured by weight (on a terminal), the heaviest words, and a small check: how the
    probability falls without the heaviest words, and without random ones. Of a row of other data: the answer, and the
    heaviest units (patches, moments, steps, items); of an answer that is written, where each of its words looked.

    \b
    Examples:
      regard explain runs/sentiment-bilstm --text "Slow at first, then wonderful." --html page.html
      regard explain runs/images --data pictures.parquet --row 3
      regard explain runs/translate-transformer --text "Click the cell." --html page.html
    """
    if [text, file, data].count(None) != 2:
        raise typer.BadParameter("give one of --text, --file and --data")
    from regard.app.explaining import read, show, show_units, units_page
    from regard.app.given_text import typed, whole_file
    from regard.disk import write_atomically
    from regard.lens.page import page
    from regard.tasks.task import Asked
    from regard.train.run import load_run

    screen = Screen()
    loaded = load_run(run)
    given = None if data is not None else typed(text) if text is not None else whole_file(Path(str(file)))
    if given is not None and set(loaded.task.roles) == {"text", "label"}:
        reading = read(loaded, given, count=count, seed=seed)
        show(screen, reading)
        made = None if html is None else page(reading)
    else:
        rows = loaded.given(Asked(Path(str(data)), truths=False)) if given is None else loaded.typed([given])
        found = show_units(screen, loaded, rows, row)
        made = None if html is None else units_page(loaded, found)
    if html is not None and made is not None:
        write_atomically(html, made.encode())
        screen.line(f"written to {html}")
