"""`regard explain`: what an answer rests on, with evidence beside the picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regard.app.screen import Screen
from regard.app.share import share

if TYPE_CHECKING:
    from regard.app.explaining import Asked
    from regard.lens.question import Question


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(explain)


def explain(
    run: Annotated[Path | None, typer.Argument(help="Folder of a trained run.")] = None,
    model: Annotated[Path | None, typer.Option(help="Instead of a run: folder of a transformers model.")] = None,
    text: Annotated[str | None, typer.Option(help="The text to read.")] = None,
    file: Annotated[Path | None, typer.Option(help="A text file, read as one text.")] = None,
    data: Annotated[Path | None, typer.Option(help="A file of rows, such as the run was trained on.")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="[ROLE=]NAME", help="That file's column to read. [as in training]")
    ] = None,
    row: Annotated[
        int | None, typer.Option(min=1, help="Its number in the file, from 1, as predict tells it. [the first usable]")
    ] = None,
    target: Annotated[str | None, typer.Option(help="The answer to explain. [the model's own]")] = None,
    piece: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Of an answer of several pieces the N-th alone. [all of it]")
    ] = None,
    method: Annotated[str | None, typer.Option(help='A method\'s name, or "best", chosen by measuring. [best]')] = None,
    evidence: Annotated[int, typer.Option(min=0, help="Measure on so many rows of --data too.")] = 0,
    way: Annotated[
        list[str] | None, typer.Option(help="How parts are taken away: mask, delete, zero, ... [all; of a model: one]")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Random orders that stand beside.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Decides the random orders.")] = 0,
    budget: Annotated[
        float | None,
        typer.Option(parser=share, metavar="SHARE", help="Of the tokens that a run processes. [as in training]"),
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write one HTML file that opens offline.")] = None,
) -> None:
    """What an answer rests on, and how far that can be trusted.

    The answer; the words (patches, moments, ...) by weight; and the evidence: how far the answer's probability falls
    without the heaviest tenth, without as many at random, without the first and the last. With --evidence N the same
    on N further rows, with intervals. Of an answer of several pieces (words that are written, tags, things in a
    picture), where each of them looked, unless --piece, --method, --target or --evidence asks for more.

    \b
    Examples:
      regard explain runs/sentiment-bilstm --text "Slow at first, then wonderful." --html page.html
      regard explain runs/sentiment-bilstm --text "..." --data FILE.csv --column COLUMN --evidence 200
      regard explain runs/images --data pictures.parquet --row 3
      regard explain --model FOLDER --text "The capital of France is" --target " Paris"
      regard explain runs/translate-transformer --text "Click the cell." --piece 2
      regard explain runs/tabular-transformer --data TABLE.csv --row 5
    """
    _check(run, model, text, file, data, evidence)
    if model is not None:
        _check_model(piece, budget)
    from regard.app.explaining import Wish, explained, show
    from regard.app.given_text import typed, whole_file
    from regard.app.saving import check_places
    from regard.lens.explain import BEST
    from regard.spec.errors import RunError

    given = typed(text) if text is not None else None if file is None else whole_file(file)
    check_places({"--html": html}, {"--file": file, "--data": data})
    screen, asked = Screen(), _asked(run, model, given, data, column or [], row, piece, budget)
    plain = target is None and method is None and not evidence and way is None and piece is None
    try:
        question = None if plain and asked.written() else asked.question(target)
    except RunError:
        if not plain:
            raise
        question = None
    if question is None:
        _looked(screen, asked, html)
        return
    wish = Wish(BEST if method is None else method, _ways(way, question, first=model is not None), draws, seed)
    sample, choose = asked.others(evidence, choosing=wish.method == BEST)
    if len(sample) < evidence:
        kept = f", and {len(choose):,} more to choose the method on" if choose else ""
        screen.line(f"the file has {len(sample):,} other rows to measure on{kept}; --evidence asked for {evidence:,}")
    reading = asked.reading(explained(screen, question, wish, sample=sample, choose=choose), question)
    show(screen, reading)
    if html is not None:
        _write(screen, html, asked.page(reading))


def _check(
    run: Path | None, model: Path | None, text: str | None, file: Path | None, data: Path | None, evidence: int
) -> None:
    if (run is None) == (model is None):
        raise typer.BadParameter("give either the folder of a run, or --model FOLDER")
    if evidence and data is None:
        raise typer.BadParameter("it needs --data FILE, rows to measure on", param_hint="--evidence")
    typed = [text, file].count(None) == 1
    if not (typed and (data is None or evidence)) and not (text is None and file is None and data is not None):
        raise typer.BadParameter("give one of --text, --file and --data; beside a text, --data goes with --evidence N")
    if model is not None and not typed:
        raise typer.BadParameter("it goes with --text or --file", param_hint="--model")


def _check_model(piece: int | None, budget: float | None) -> None:
    """Refuse what is for runs alone."""
    if piece is not None:
        raise typer.BadParameter("it goes with a run; of a model, give --target", param_hint="--piece")
    if budget is not None:
        raise typer.BadParameter("it goes with a run", param_hint="--budget")


def _asked(
    run: Path | None,
    model: Path | None,
    text: str | None,
    data: Path | None,
    column: list[str],
    row: int | None,
    piece: int | None,
    budget: float | None,
) -> Asked:
    if model is not None:
        from regard.app.folder_asking import FolderAsking
        from regard.app.progress import told
        from regard.app.subject import model_folder

        folder = model_folder(model, lambda event: Screen().line(told(event)))
        return FolderAsking.of(folder, str(text), data, column)
    from regard.app.run_asking import RunAsking

    return RunAsking.of(Path(str(run)), text, data, column, row, piece=piece, budget=budget)


def _ways(typed: list[str] | None, question: Question, *, first: bool) -> tuple[str, ...] | None:
    """Those that were typed; of a large model the first one alone, for each is as many passes again."""
    if typed:
        return tuple(typed)
    return (question.default,) if first else None


def _looked(screen: Screen, asked: Any, html: Path | None) -> None:
    """Where a run looked whose answers cannot be explained by taking parts away."""
    from regard.app.attended import show_units, units_page

    found = show_units(screen, asked.run, asked.rows, asked.row)
    if found.alignment is not None:
        screen.line()
        screen.line(
            "Next: --method best for what the whole answer rests on, with evidence; --piece N for one piece of it."
        )
    if html is not None:
        _write(screen, html, units_page(asked.run, found))


def _write(screen: Screen, html: Path, made: str) -> None:
    from regard.disk import write_atomically

    write_atomically(html, made.encode())
    screen.line(f"written to {html}")
