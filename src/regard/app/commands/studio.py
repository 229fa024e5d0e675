"""`regard studio`: all of it in a browser, on this machine alone."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen

_LANGUAGES = ("en", "zh")


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(studio)


def studio(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Folders with runs, models and your files; a model's name. [.]")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open nothing.")] = False,
    language: Annotated[str, typer.Option(help=f"Of the page: {' or '.join(_LANGUAGES)}.")] = "en",
) -> None:
    """A page in your browser: look at models, ask why, set budgets, train, learn.

    Runs on this machine alone: it listens on loopback, asks nothing of a network, and reads nothing outside the folders
    that you name. Runs that are trained in it lie in the first of them. The address holds a token for this session;
    Ctrl-C ends it.

    \b
    Examples:
      regard studio runs
      regard studio runs texts minilm --language zh
    """
    if language not in _LANGUAGES:
        raise typer.BadParameter(f"{language!r} is none of {', '.join(_LANGUAGES)}", param_hint="--language")
    from regard.spec.extra import require

    require("fastapi", "uvicorn", what="regard studio", extra="studio")
    from regard.app.progress import told
    from regard.app.studio.server import address, listening, serve
    from regard.app.studio.studio import Studio
    from regard.app.subject import model_folder

    screen = Screen()
    given = [model_folder(path, lambda event: screen.line(told(event))) for path in folders or [Path()]]
    made = Studio.of(given, language=language)
    taken = listening(port)
    where = address(made, int(taken.getsockname()[1]))

    def ready() -> None:
        screen.line(f"regard studio: {where}")
        screen.line("Ctrl-C ends it")
        if not no_browser:
            import webbrowser

            webbrowser.open(where)

    gc.freeze()  # what was imported stays: full collections, which keep every answer waiting, need not walk it
    serve(made, taken, ready=ready)
