"""`regard data`: the data sets, texts and models that have a name."""

from __future__ import annotations

from typing import Annotated

import typer

from regard.app.screen import Screen

group = typer.Typer(
    help="The data sets, texts and models that have a name: list them, fetch one.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@group.command("list")
def listed() -> None:
    """The data sets, texts and models that have a name.

    What they are, under which licence, and whether they are on this machine.

    \b
    Example:
      regard data list
    """
    from regard.tasks.packages import cache_folder
    from regard.tasks.sources import SOURCES, present

    screen = Screen()
    for source in SOURCES.values():
        screen.title(source.name)
        screen.line(f"  {source.about}; {source.kind}, {source.holds}")
        screen.line(f"  {source.licence}")
        screen.line(f"  first published at {source.home}")
        there = present(source)
        size = f"not here yet ({source.size / 1e6:.0f} MB to fetch): regard data get {source.name}"
        screen.line(f"  {size if there is None else there}")
    screen.line(f"They are kept in {cache_folder()}")


@group.command("get")
def get(name: Annotated[str, typer.Argument(help="Its name, as `regard data list` shows it.")]) -> None:
    """Fetch a data set, texts or a model, and print where it lies.

    Nothing is fetched if it is here already.

    \b
    Example:
      regard data get movie-reviews
    """
    from regard.app.progress import told
    from regard.tasks.sources import obtain, source

    screen = Screen()
    path = obtain(source(name), lambda event: screen.line(told(event)))
    screen.line(str(path))
