"""Reports on data of texts: pairs, questions, long texts, symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from regard.tasks.readers.documents import read_documents
from regard.tasks.readers.findings import (
    Findings,
    Sheet,
    class_faults,
    counted,
    few_fault,
    refused_fault,
    repeats,
    spread,
)
from regard.tasks.readers.pairs import read_pairs
from regard.tasks.readers.questions import read_questions
from regard.tasks.readers.symbols import alphabet_of, read_symbols
from regard.tasks.readers.tagged import read_tagged

Columns = Mapping[str, str]  # what a column is for -> its name, where that is another

_SYMBOLS = 20  # that are listed one by one


def check_pairs(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Pairs of source and target."""
    read = _reader(read_pairs, columns)
    reading = read(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read(test).rows, "source")
    long = [
        row.number for row in rows if len(row.target) > 4 * len(row.source) or len(row.source) > 4 * len(row.target)
    ]
    if rows:
        facts = (
            spread([len(row.source) for row in rows], "characters a source"),
            spread([len(row.target) for row in rows], "characters a target"),
            f"pairs with one side over four times as long as the other: {len(long):,}{_first(long)}",
            f"pairs with equal sides: {sum(row.source.strip() == row.target.strip() for row in rows):,}",
            *facts,
        )
    return Findings(
        reading.name, "pairs", "rows", len(rows), reading.columns, reading.refused, facts=(*reading.notes, *facts),
        warnings=warnings, faults=(*refused_fault(len(reading.refused)), *few_fault(len(rows), "pairs")),
        good="A model that turns one side into the other can be trained on this file.",
    )  # fmt: skip


def check_questions(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Questions about a context."""
    read = _reader(read_questions, columns)
    reading = read(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read(test).rows, "context and question")
    sheets: tuple[Sheet, ...] = ()
    if rows:
        inside = sum(row.span is not None for row in rows)
        facts = (
            spread([len(row.context) for row in rows], "characters a context"),
            spread([len(row.question) for row in rows], "characters a question"),
            spread([len(row.answer) for row in rows], "characters an answer"),
            f"answers that stand word by word in their context: {inside:,} of {len(rows):,}",
            *facts,
        )
        sheets = (counted((row.answer for row in rows), ("answer", "rows", "share")),)
    return Findings(
        reading.name, "questions", "rows", len(rows), reading.columns, reading.refused, sheets=sheets,
        facts=(*reading.notes, *facts), warnings=warnings,
        faults=(*refused_fault(len(reading.refused)), *few_fault(len(rows), "questions")),
        good="A model that answers questions can be trained on this file.",
    )  # fmt: skip


def check_documents(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Long texts for a language model."""
    read = _reader(read_documents, columns)
    reading = read(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read(test).rows, "text")
    if rows:
        sizes = [len(row.text) for row in rows]
        words = sum(len(row.text.split()) for row in rows)
        signs = len(set().union(*(row.text for row in rows)))
        facts = (
            f"{sum(sizes):,} characters in all ({words:,} words between spaces), {signs:,} different",
            spread(sizes, "characters a text"),
            *facts,
        )
    if 0 < len(rows) < 3:
        warnings = (*warnings, "fewer than 3 texts: they are parted inside, and what is tested comes after the rest")
    return Findings(
        reading.name, "texts", "texts", len(rows), reading.columns, reading.refused, facts=(*reading.notes, *facts),
        warnings=warnings, faults=(*refused_fault(len(reading.refused)), *few_fault(len(rows), "texts", 1)),
        good="A model that writes on can be trained on these texts.",
    )  # fmt: skip


def check_symbols(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Sequences of symbols."""

    def read(file: Path) -> Any:
        return read_symbols(
            file,
            symbols=columns.get("symbols", "symbols"),
            label=columns.get("label"),
            alphabet=rules.get("alphabet"),
            group=columns.get("group"),
        )

    reading = read(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read(test).rows, "sequence")
    sheets: tuple[Sheet, ...] = ()
    faults = few_fault(len(rows), "sequences")
    if rows:
        known = alphabet_of(rows)
        whole = sum(count for _, count in known)
        lines = tuple((repr(one), f"{count:,}", f"{count / whole:.1%}") for one, count in known[:_SYMBOLS])
        sheets = (Sheet(("symbol", "times", "share"), lines, max(len(known) - _SYMBOLS, 0)),)
        facts = (spread([len(row.symbols) for row in rows], "symbols a sequence"), *facts)
        rare = [one for one, count in known if count == 1]
        if rare:
            warnings = (*warnings, f"{len(rare):,} symbols occur once, such as {rare[0]!r}: no model can learn them")
        if "label" in columns:
            sheets = (*sheets, counted((row.label for row in rows), ("label", "rows", "share")))
            faults = (*faults, *class_faults(row.label for row in rows))
    return Findings(
        reading.name, "symbols", "sequences", len(rows), reading.columns, reading.refused, sheets=sheets,
        facts=(*reading.notes, *facts), warnings=warnings, faults=(*refused_fault(len(reading.refused)), *faults),
        good="A model of these sequences can be trained on this file.",
    )  # fmt: skip


def _reader(read: Callable[..., Any], columns: Columns) -> Callable[[Path], Any]:
    return lambda file: read(file, **columns)


def _first(numbers: list[int]) -> str:
    return f" (row {numbers[0]} is the first)" if numbers else ""


def check_tagged(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Words with a tag each."""
    read = _reader(read_tagged, columns)
    reading = read(path)
    rows = reading.rows
    facts, warnings = repeats(rows, None if test is None else read(test).rows, "sentence")
    sheets: tuple[Sheet, ...] = ()
    if rows:
        facts = (spread([len(row.tokens) for row in rows], "words a sentence"), *facts)
        sheets = (counted((tag for row in rows for tag in row.tags), ("tag", "words", "share")),)
    return Findings(
        reading.name,
        "tagged",
        "sentences",
        len(rows),
        reading.columns,
        reading.refused,
        sheets=sheets,
        facts=(*reading.notes, *facts),
        warnings=warnings,
        faults=(*refused_fault(len(reading.refused)), *few_fault(len(rows), "sentences")),
        good="A model that tags words can be trained on this file.",
    )
