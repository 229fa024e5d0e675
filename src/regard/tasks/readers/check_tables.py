"""The report on tables of features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regard.tasks.readers.features import Column, Thing, TypedAs, columns_of, read_features
from regard.tasks.readers.findings import (
    NUMBERS,
    Findings,
    Sheet,
    class_faults,
    counted,
    few_fault,
    refused_fault,
    repeats,
    spread,
)

_SHOWN = 20  # columns that are listed one by one


def check_measurements(path: Path, test: Path | None, columns: Mapping[str, str], rules: Mapping[str, Any]) -> Findings:
    """Features with a class or a number to be told."""
    typed = TypedAs(**rules)
    features, notes = columns_of(path, besides=list(columns.values()), typed=typed)
    reading = read_features(path, features, typed=typed, **columns)
    rows = reading.rows
    tested = None if test is None else read_features(test, features, typed=typed, **columns).rows
    facts, warnings = repeats(rows, tested, "row")
    sheets: tuple[Sheet, ...] = ()
    faults = few_fault(len(rows), "rows")
    if rows:
        sheets = _sheets(features, rows)
        still = [one.name for place, one in enumerate(features) if len({row.values[place] for row in rows}) == 1]
        if still:
            warnings = (*warnings, f"columns that never change, and tell nothing: {', '.join(still)}")
        if "label" in columns:
            sheets = (*sheets, counted((row.label for row in rows), ("label", "rows", "share")))
            faults = (*faults, *class_faults(row.label for row in rows))
        targets = [row.target for row in rows if row.target is not None]
        if targets:
            facts = (spread(targets, f"values of {columns['target']}", form=".4g", ends=NUMBERS), *facts)
    if "label" not in columns and "target" not in columns:
        faults = (*faults, "nothing to be told (name its column: --column label=NAME or --column target=NAME)")
    return Findings(
        reading.name,
        "measurements",
        "rows",
        len(rows),
        reading.columns,
        reading.refused,
        sheets=sheets,
        facts=(*notes, *reading.notes, *facts),
        warnings=warnings,
        faults=(*refused_fault(len(reading.refused)), *faults),
        good="A model of these features can be trained on this file.",
    )


def _sheets(features: Sequence[Column], rows: Sequence[Thing]) -> tuple[Sheet, ...]:
    """One of the numbers, one of the categories, as far as there are some."""
    numbers, categories = [], []
    for place, one in enumerate(features):
        filled = [row.values[place] for row in rows if row.values[place] is not None]
        empty = f"{len(rows) - len(filled):,}"
        if one.kind == "number":
            told = [float(value) for value in filled if value is not None]
            ends = [f"{end:.4g}" for end in (min(told), sum(told) / len(told), max(told))] if told else [""] * 3
            numbers.append((one.name, *ends, empty))
        else:
            counts = Counter(map(str, filled))
            usual = f" (mostly {counts.most_common(1)[0][0]!r})" if counts else ""
            categories.append((f"{one.name}{usual}", f"{len(counts):,}", empty))
    found = (
        (("column", "least", "mean", "most", "empty"), numbers),
        (("column", "categories", "empty"), categories),
    )
    return tuple(Sheet(header, tuple(lines[:_SHOWN]), max(len(lines) - _SHOWN, 0)) for header, lines in found if lines)
