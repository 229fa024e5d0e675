"""The tree of commands."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from regard.app.commands import (
    allocate,
    bench,
    calibrate,
    check,
    compare,
    data,
    demo,
    evaluate,
    explain,
    export,
    observe,
    plan,
    predict,
    profile,
    serve,
    studio,
    tasks,
    train,
    walk,
)

_ABOUT = """Attention as a limited resource: train a model that attends, see where it looked, and what it costs.

\b
Start here:
  regard demo                     train on film reviews, and see which words decided
  regard walk                     the four steps of attention, with every number
  regard train classify --data FILE.csv --text COLUMN --label COLUMN
"""
_CODES = "Exit codes: 0 done, 1 the work failed, 2 what was typed makes no sense, 130 stopped with Ctrl-C."

# Plain help: typer's boxes are wider than a log line, and draw themselves in colour under some CI systems.
app = typer.Typer(
    name="regard",
    help=_ABOUT,
    epilog=_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
_BUDGETS = (profile, allocate, compare)
for module in (
    demo,
    train,
    studio,
    evaluate,
    predict,
    explain,
    export,
    serve,
    observe,
    check,
    tasks,
    plan,
    walk,
    bench,
    *_BUDGETS,
    calibrate,
):
    module.register(app)
app.add_typer(data.group, name="data")


def command() -> Any:
    """The tree as a command object that can be run."""
    return typer.main.get_command(app)


def _version(asked: bool) -> None:
    if asked:
        from regard import __version__

        typer.echo(f"regard {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
