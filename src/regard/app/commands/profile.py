"""`regard profile`: what budgets would do to every head of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(profile)


def profile(
    model: Annotated[Path, typer.Option(help="Folder of a transformers model that writes; a GGUF file; or a name.")],
    text: Annotated[Path, typer.Option(metavar="FILE", help="A long text, of the kind the model is to read.")],
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="The profile; gone on with if it is there.")],
    tokens: Annotated[int, typer.Option(min=8, help="Length of each piece of the text.")] = 4096,
    samples: Annotated[int, typer.Option(min=1, help="How many pieces, evenly spread over the text.")] = 4,
    queries: Annotated[int, typer.Option(min=1, help="How many queries of each piece are measured.")] = 32,
    page: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page: one file, offline.")] = None,
) -> None:
    """Where every head of a model looks, and what each budget would cost there.

    The model reads pieces of a text; in every layer some queries are answered on several budgets, beside the exact
    answer. The profile is written after each piece, so that a stopped command goes on where it was.

    \b
    Example:
      regard profile --model gemma3-270m --text persuasion.txt --out gemma.profile.json
    """
    from regard.app.budgeting import picture, profiled, show_profile
    from regard.app.given_text import whole_file
    from regard.app.progress import told
    from regard.app.reading_text import Reader
    from regard.app.saving import check_places
    from regard.app.subject import model_folder

    check_places({"--out": out, "--page": page}, {"--text": text, "--model": model})
    screen = Screen()
    words = whole_file(text)
    folder = model_folder(model, lambda event: screen.line(told(event)))
    reader = Reader.of(folder, words, tokens=tokens, samples=samples)
    found = profiled(screen, reader, out, queries=queries)
    screen.line()
    show_profile(screen, found)
    screen.line(f"written to {out}")
    if page is not None:
        picture(page, f"{reader.name}: budgets and heads", found=found)
        screen.line(f"written to {page}")
