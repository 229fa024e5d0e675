"""`regard allocate`: a budget split over the heads of a profiled model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen
from regard.app.share import share


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(allocate)


def allocate(
    profile: Annotated[Path, typer.Option(metavar="FILE.json", help="What regard profile wrote.")],
    budget: Annotated[
        float,
        typer.Option(parser=share, metavar="SHARE", help="Of the bytes of keys and values, what may be read."),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE.json", help="The allocation.")],
    page: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page: one file, offline.")] = None,
) -> None:
    """A budget, split over the heads of a model by what each costs.

    Heads that lose little by reading little get little. The file is used with regard.use(model, Allocation.load(FILE)).

    \b
    Example:
      regard allocate --profile gemma.profile.json --budget .1 --out gemma.10.json
    """
    from regard.allocate.allocate import allocate as allocated
    from regard.allocate.profiled import Profile
    from regard.app.budgeting import picture, show_allocation
    from regard.app.saving import check_places
    from regard.spec.budget import Budget

    check_places({"--out": out, "--page": page}, {"--profile": profile})
    screen = Screen()
    found = Profile.load(profile)
    made = allocated(found, Budget(fraction=budget))
    made.save(out)
    show_allocation(screen, found, made)
    screen.line(f"written to {out}")
    if page is not None:
        picture(page, f"{found.model.kind}: {100 * budget:g} % allocated", found=found, allocation=made)
        screen.line(f"written to {page}")
