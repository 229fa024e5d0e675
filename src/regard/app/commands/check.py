"""`regard check`: what is in a data file, before anything is trained on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.tasks.check import Report

_SHOWN = 20  # refused rows, labels and contradictions that are listed one by one


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(check)


def check(
    file: Annotated[Path, typer.Argument(help="A csv, tsv, jsonl or parquet file.")],
    text: Annotated[str, typer.Option(help="Column with the texts.")] = "text",
    label: Annotated[str, typer.Option(help="Column with the labels.")] = "label",
    test: Annotated[Path | None, typer.Option(help="A second file that is meant as the test part.")] = None,
) -> None:
    """What is in a data file, before training on it.

    Rows, refused rows and why, labels, lengths, duplicates. Nothing is changed in the file. Ends with exit code
    1 when a classifier cannot be trained on the file as it is.

    \b
    Example:
      regard check examples/reviews.csv --text review --label verdict
    """
    from regard.spec.errors import DataError
    from regard.tasks.check import check_file

    report = check_file(file, text=text, label=label, test_path=test)
    show(Screen(), report)
    if not report.usable:
        raise DataError(f"{report.name} cannot be trained on as it is: {_why(report)}")


def show(screen: Screen, report: Report) -> None:
    """Prints a report."""
    screen.title(f"{report.name}: {report.rows:,} rows can be used, {len(report.refused):,} cannot")
    screen.line(f"columns: {', '.join(report.columns)}")
    _listed(screen, "refused rows (numbers count data rows from 1)", map(str, report.refused), len(report.refused))
    if report.labels:
        shares = [(name, f"{count:,}", f"{count / report.rows:.1%}") for name, count in report.labels[:_SHOWN]]
        screen.lines(sheet(("label", "rows", "share"), shares))
        _more(screen, len(report.labels))
    if report.lengths is not None:
        sizes = report.lengths
        screen.line(
            f"characters a text: shortest {sizes.shortest:,}, median {sizes.median:,}, nine of ten at most "
            f"{sizes.ninety:,}, longest {sizes.longest:,}"
        )
    screen.line(f"duplicates (training keeps the first of each): {report.duplicates:,}")
    groups = (", ".join(f"row {number}" for number in group) for group in report.contradictions)
    _listed(screen, "one text with several labels (training leaves them out)", groups, len(report.contradictions))
    if report.html_breaks:
        screen.line(f"rows with <br />, which is read as a space: {report.html_breaks:,}")
    if report.shared_with_test is not None:
        screen.line(f"rows whose text is also in the test file: {report.shared_with_test:,}")
    for warning in report.warnings:
        screen.line(f"warning: {warning}")
    if report.usable:
        screen.line("A classifier can be trained on this file.")


def _listed(screen: Screen, title: str, lines: Iterable[str], count: int) -> None:
    if not count:
        return
    screen.line(f"{title}:")
    for _, line in zip(range(_SHOWN), lines, strict=False):
        screen.line(f"  {line}")
    _more(screen, count)


def _more(screen: Screen, count: int) -> None:
    if count > _SHOWN:
        screen.line(f"  and {count - _SHOWN:,} more")


def _why(report: Report) -> str:
    reasons = []
    if report.refused:
        reasons.append(
            f"{len(report.refused):,} refused rows (correct them, or train without them: --set data.skip_refused=true)"
        )
    reasons += [f"label {name!r} occurs once (add rows or remove it)" for name, count in report.labels if count == 1]
    if len(report.labels) < 2:
        reasons.append(f"{len(report.labels)} labels (expected at least 2; add rows)")
    return "; ".join(reasons)
