"""`regard walk`: the four steps of attention, with every number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regard.app.screen import Screen
from regard.app.sheet import numbers as formatted
from regard.app.sheet import shades, sheet

if TYPE_CHECKING:
    from regard.app.walking import Numbers, Walk


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(walk)


def walk(
    words: Annotated[list[str] | None, typer.Argument(help="Your sentence. By default: 我 喜欢 吃 苹果")] = None,
    numbers: Annotated[Path | None, typer.Option(help="A JSON file with your own q, k and v (lists of rows).")] = None,
    example: Annotated[str | None, typer.Option(help="A worked example: apples, cat-dog-pig or half.")] = None,
) -> None:
    """The four steps of attention, with every number.

    Matrix, allocation, context and output, on your own sentence or numbers.

    \b
    Examples:
      regard walk
      regard walk "the cat sat on the mat"
      regard walk --numbers examples/numbers.json
      regard walk --example cat-dog-pig
    """
    sentence = " ".join(words) if words else None
    if sum(one is not None for one in (sentence, numbers, example)) > 1:
        raise typer.BadParameter("give one of a sentence, --numbers and --example")
    from regard.app.number_file import numbers_from
    from regard.app.walking import SENTENCE, from_sentence
    from regard.app.walking import walk as take_steps
    from regard.app.worked import example as worked

    if numbers is not None:
        given = numbers_from(numbers)
    elif example is not None:
        given = worked(example)
    else:
        given = from_sentence(SENTENCE if sentence is None else sentence)
    show(Screen(), given, take_steps(given))


def show(screen: Screen, given: Numbers, taken: Walk) -> None:
    """Prints what is given, the four steps and their formulas."""
    for note in given.notes:
        screen.line(note)
        screen.line()
    _given(screen, given)
    queries, keys = given.query_names, given.key_names
    _step(screen, "1. matrix: how well each query (row) matches each key (column)", given.formula)
    screen.lines(sheet(("", *keys), _rows(queries, taken.scores), width=screen.width))
    _step(
        screen,
        "2. allocation: each row's attention, 1 in all, is given to the keys",
        "weight(i, j) = exp(score(i, j)) / Σ_l exp(score(i, l))",
    )
    summed = [[*row, sum(row)] for row in taken.weights.tolist()]
    screen.lines(sheet(("", *keys, "sum"), _rows(queries, summed), width=screen.width))
    screen.line()
    screen.lines(shades(taken.weights.tolist(), queries))
    screen.line("(darker: more weight; ░▒▓█ are the quarters of the largest)")
    width = range(1, taken.context.shape[1] + 1)
    _step(screen, "3. context: the values, mixed by weight", "c_i = Σ_j weight(i, j) · v_j")
    screen.lines(sheet(("", *(f"c{d}" for d in width)), _rows(queries, taken.context), width=screen.width))
    if taken.output is not None:
        _step(screen, "4. output: the context added to what was there (the residual)", "y_i = x_i + c_i")
        screen.lines(sheet(("", *(f"y{d}" for d in width)), _rows(queries, taken.output), width=screen.width))
    screen.line()
    for remark in given.remarks:
        screen.line(remark)
    screen.line(f"regard.attend gives the same context (largest difference {taken.difference:.1e}).")


def _given(screen: Screen, given: Numbers) -> None:
    tables: list[tuple[str, Sequence[str], Any]] = [("x = q = k = v", given.key_names, given.key)]
    if not given.shared:
        tables = [
            ("q", given.query_names, given.query),
            ("k", given.key_names, given.key),
            ("v", given.key_names, given.value),
        ]
        if given.residual is not None:
            tables.append(("x", given.query_names, given.residual))
    screen.title("0. words as numbers" if given.shared else "0. the numbers given")
    for name, names, table in tables:
        header = (name, *(str(d) for d in range(1, table.shape[1] + 1)))
        screen.lines(sheet(header, _rows(names, table), width=screen.width))


def _step(screen: Screen, title: str, formula: str) -> None:
    screen.line()
    screen.title(title)
    screen.lines((f"   {formula}",))


def _rows(names: Sequence[str], table: Any) -> list[tuple[str, ...]]:
    return [(name, *formatted([float(value) for value in row])) for name, row in zip(names, table, strict=True)]
