"""`regard explain`: which words a trained run looked at, with evidence beside the picture."""

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
    html: Annotated[Path | None, typer.Option(help="Also write one HTML file that opens offline.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Words taken away in the check.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Decides the random words of the check.")] = 0,
) -> None:
    """Which words a trained run looked at.

    Shows the answer, the words coloured by weight (on a terminal), the heaviest words, and a small check: how the
    probability falls without the heaviest words, and without random ones.

    \b
    Example:
      regard explain runs/sentiment-bilstm --text "Slow at first, then wonderful." --html page.html
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give either --text or --file")
    from regard.app.explaining import read, show
    from regard.app.given_text import typed, whole_file
    from regard.disk import write_atomically
    from regard.lens.page import page
    from regard.train.run import load_run

    given = typed(text) if text is not None else whole_file(Path(str(file)))
    reading = read(load_run(run), given, count=count, seed=seed)
    screen = Screen()
    show(screen, reading)
    if html is not None:
        write_atomically(html, page(reading).encode())
        screen.line(f"written to {html}")
