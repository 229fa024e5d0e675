"""`regard check`: what is in data, before anything is trained on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.tasks.readers.findings import Findings
    from regard.tasks.readers.kinds import Kind

_SHOWN = 20  # refused rows and lines of a list that are shown one by one


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(check)


def check(
    file: Annotated[Path, typer.Argument(help="A csv, tsv, jsonl, parquet or txt file, or a folder.")],
    kind: Annotated[
        str | None, typer.Option(help="What it holds, where its columns do not tell; listed below.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="Column with the texts. [text]")] = None,
    label: Annotated[str | None, typer.Option(help="Column with the labels. [label]")] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="ROLE=NAME", help="What another column is called.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Data of the same kind, meant as the test part.")] = None,
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What to do with odd rows: channels=mix.")
    ] = None,
) -> None:
    """What is in data, before training on them.

    Rows, refused rows and why, classes, lengths, durations, gaps, duplicates. Nothing is changed in a file. Ends
    with exit code 1 where nothing can be trained on the data as they are.

    Kinds: labelled, pairs, questions, texts, tagged, images, captions, scenes, speech, series, events, symbols,
    measurements.

    --set: channels=mix, other_rate=resample, rate=16000 (speech); unsorted=sort, covariates=a,b (series); least=2
    (events); alphabet=ACGT (symbols); numbers, categories, skip, empty=a,b
    (measurements).

    \b
    Examples:
      regard check examples/reviews.csv --text review --label verdict
      regard check prompts.csv --kind speech --set channels=mix
    """
    from regard.app.asked import columns_from
    from regard.spec.errors import DataError
    from regard.tasks.check import check_file, findings_of
    from regard.tasks.readers.kinds import kind_named, kind_of, named

    columns = columns_from(column or ()) | {k: v for k, v in (("text", text), ("label", label)) if v is not None}
    found, why = kind_of(file, columns) if kind is None else (kind_named(kind), "")
    rules = _rules(assign or (), found)
    if found.check is None:
        names = {role: columns.get(role, role) for role in ("text", "label")}
        if kind is None:
            _check_text(file, names["text"])
        findings = findings_of(check_file(file, **names, test_path=test))
    else:
        findings = found.check(file, test, named(found, file, columns), rules)
    show(Screen(), findings, f"read as {found.about} ({why}); another kind: --kind NAME" if why else "")
    if not findings.trainable:
        raise DataError(f"{findings.name} cannot be trained on as it is: {'; '.join(findings.faults)}")


def _check_text(file: Path, text: str) -> None:
    """Raises `DataError` for a file that no kind's columns are in, and no texts either."""
    from regard.spec.errors import DataError
    from regard.tasks.readers.records import listed, records_of

    there = records_of(file).columns
    if text not in there:
        raise DataError(
            f"{file.name} has no column {text!r}; the columns there are: {listed(there)}; say which holds the texts "
            "with --text NAME and which the labels with --label NAME, or what else the file holds with --kind NAME"
        )


def show(screen: Screen, findings: Findings, taken_for: str = "") -> None:
    """Prints a report. `taken_for`: what the data were taken for, and why."""
    refused = len(findings.refused)
    screen.title(
        f"{findings.name}: {findings.usable:,} {findings.unit} can be used, {refused:,} {_rows(findings)}cannot"
    )
    if taken_for:
        screen.line(taken_for)
    if findings.columns:
        screen.line(f"columns: {', '.join(findings.columns)}")
    _listed(screen, "refused rows (numbers count data rows from 1)", list(map(str, findings.refused)))
    for table in findings.sheets:
        screen.lines(sheet(table.header, table.rows, width=screen.width))
        _more(screen, table.more)
    for fact in findings.facts:
        screen.line(fact)
    for listing in findings.listings:
        _listed(screen, listing.title, listing.lines)
    for warning in findings.warnings:
        screen.line(f"warning: {warning}")
    if findings.trainable:
        screen.line(findings.good)


def _rows(findings: Findings) -> str:
    """Where what is counted is made of many rows, what is refused are rows."""
    return "rows " if findings.unit == "series" else ""


def _listed(screen: Screen, title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    screen.line(f"{title}:")
    for line in lines[:_SHOWN]:
        screen.line(f"  {line}")
    _more(screen, len(lines) - _SHOWN)


def _more(screen: Screen, count: int) -> None:
    if count > 0:
        screen.line(f"  and {count:,} more")


def _rules(assignments: Sequence[str], kind: Kind) -> Mapping[str, Any]:
    """What was set, by name; a name may have its section before it (sound.channels), as where it is a setting of a run.

    Raises:
        SpecError: no assignment, or not one of this kind's.
    """
    from regard.spec.errors import SpecError

    rules: dict[str, Any] = {}
    for text in assignments:
        path, sign, value = text.partition("=")
        name = path.rpartition(".")[2]
        if not sign or name not in kind.rules:
            there = ", ".join(kind.rules) or "none"
            raise SpecError(f"--set {text!r}: expected NAME=VALUE, with a name that {kind.name} have: {there}")
        rules[name] = _value(name, value)
    return rules


def _value(name: str, value: str) -> Any:
    from regard.spec.errors import SpecError

    if name in ("rate", "least"):
        if not value.isdecimal():
            raise SpecError(f"--set {name}={value}: expected a whole number")
        return int(value)
    if name in ("covariates", "numbers", "categories", "skip", "empty"):
        return tuple(value.split(","))
    if name == "alphabet":
        return tuple(value.split()) if " " in value.strip() else tuple(value)
    choices = {"unsorted": ("refuse", "sort"), "channels": ("refuse", "mix"), "other_rate": ("refuse", "resample")}
    if value not in choices[name]:
        raise SpecError(f"--set {name}={value}: expected {' or '.join(choices[name])}")
    return value
