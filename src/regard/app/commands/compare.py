"""`regard compare`: what budgets cost a model, measured."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from regard.app.screen import Screen


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(compare)


def compare(
    model: Annotated[Path, typer.Option(help="Folder of a transformers model that writes; a GGUF file; or a name.")],
    text: Annotated[Path, typer.Option(metavar="FILE", help="A text that the profile was not made on.")],
    budget: Annotated[str | None, typer.Option(metavar="SHARES", help="Such as .1 or .05,.1,.2.")] = None,
    profile: Annotated[Path | None, typer.Option(metavar="FILE.json", help="Allocate each budget by it, too.")] = None,
    allocation: Annotated[Path | None, typer.Option(metavar="FILE.json", help="An allocation to compare.")] = None,
    tokens: Annotated[int, typer.Option(min=8, help="Length of each piece; its second half is scored.")] = 2048,
    samples: Annotated[int, typer.Option(min=1, help="How many pieces, evenly spread over the text.")] = 2,
    out: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a page: one file, offline.")] = None,
    json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the figures as JSON.")] = None,
) -> None:
    """What budgets cost a model: loss, error, time and memory, beside the exact model.

    Each piece of the text is read as decoding would: its first half exactly, then token by token on the budget.

    \b
    Example:
      regard compare --model gemma3-270m --text emma.txt --budget .05,.1,.2 --profile gemma.profile.json --out cost.html
    """
    if budget is None and allocation is None:
        raise typer.BadParameter("give --budget SHARES, --allocation FILE, or both")
    from regard.allocate.allocation import Allocation
    from regard.allocate.profiled import Profile
    from regard.app.budget_lines import measured
    from regard.app.budgeting import (
        budgets_from,
        compared,
        picture,
        profiled_too,
        show_comparison,
        ways_of,
        write_figures,
    )
    from regard.app.given_text import whole_file
    from regard.app.progress import told
    from regard.app.reading_text import Reader
    from regard.app.saving import check_places
    from regard.app.subject import model_folder

    given = {"--text": text, "--model": model, "--profile": profile, "--allocation": allocation}
    check_places({"--out": out, "--json": json}, given)
    screen = Screen()
    shares = () if budget is None else budgets_from(budget)
    found = None if profile is None else Profile.load(profile)
    made = None if allocation is None else Allocation.load(allocation)
    ways, named = ways_of(shares, made, found)
    words = whole_file(text)
    folder = model_folder(model, lambda event: screen.line(told(event)))
    reader = Reader.of(folder, words, tokens=tokens, samples=samples)
    seen = compared(screen, reader, ways)
    screen.line()
    show_comparison(screen, seen, measured(seen, named))
    remark = profiled_too(reader, found)
    if remark is not None:
        screen.line(remark)
    if out is not None:
        picture(out, f"{reader.name}: what budgets cost", comparison=seen, named=named, found=found, allocation=made)
    if json is not None:
        write_figures(json, seen)
    for path in (out, json):
        if path is not None:
            screen.line(f"written to {path}")
