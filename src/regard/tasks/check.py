"""What is in a data file, before anything is trained on it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regard.tasks.readers.findings import Findings, Listing, class_faults, counted, refused_fault
from regard.tasks.readers.identity import fingerprint
from regard.tasks.table import Refused, Row, Table
from regard.tasks.table_reading import read_table
from regard.tasks.vocabulary import LINE_BREAK

_HTML_BREAK = re.compile(LINE_BREAK)


@dataclass(frozen=True)
class Lengths:
    """How long the texts are, in characters."""

    shortest: int
    median: int
    ninety: int  # nine of ten texts are at most so long
    longest: int


@dataclass(frozen=True)
class Report:
    """What `regard check` says of a file, and of a second file that is meant as its test part."""

    name: str
    columns: tuple[str, ...]
    rows: int
    refused: tuple[Refused, ...]
    labels: tuple[tuple[str, int], ...]  # most frequent first
    lengths: Lengths | None  # None without rows
    duplicates: int  # rows whose text occurred in an earlier row with the same label
    contradictions: tuple[tuple[int, ...], ...]  # groups of row numbers: one text, several labels
    html_breaks: int  # rows with <br />, which is read as a line break
    shared_with_test: int | None  # rows whose text is also in the test file; None without one
    warnings: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """True when a classifier can be trained on the file as it is."""
        return not self.refused and not any(count == 1 for _, count in self.labels) and len(self.labels) > 1


def check_file(path: str | Path, *, text: str, label: str, test_path: str | Path | None = None) -> Report:
    """Reads a file (and its test file, if there is one) and reports on it.

    Raises:
        DataError: a file is missing, empty, unreadable, or lacks a column.
    """
    table = read_table(path, text=text, label=label)
    test = None if test_path is None else read_table(test_path, text=text, label=label)
    return check(table, test)


def check(table: Table, test: Table | None = None) -> Report:
    """The report on rows that were already read."""
    labels = tuple(Counter(row.label for row in table.rows).most_common())
    groups = _groups(table.rows)
    contradictions = tuple(
        tuple(row.number for row in group) for group in groups if len({row.label for row in group}) > 1
    )
    duplicates = sum(len(group) - 1 for group in groups if len({row.label for row in group}) == 1)
    shared = None
    if test is not None:
        there = {fingerprint(row.text) for row in test.rows}
        shared = sum(fingerprint(row.text) in there for row in table.rows)
    return Report(
        name=table.name,
        columns=table.columns,
        rows=len(table.rows),
        refused=table.refused,
        labels=labels,
        lengths=_lengths(table.rows),
        duplicates=duplicates,
        contradictions=contradictions,
        html_breaks=sum(_HTML_BREAK.search(row.text) is not None for row in table.rows),
        shared_with_test=shared,
        warnings=_warnings(labels, shared),
    )


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    by_text: dict[int, list[Row]] = {}
    for row in rows:
        by_text.setdefault(fingerprint(row.text), []).append(row)
    return [group for group in by_text.values() if len(group) > 1]


def _lengths(rows: Sequence[Row]) -> Lengths | None:
    if not rows:
        return None
    sizes = np.sort([len(row.text) for row in rows])
    ninety = sizes[int(np.ceil(0.9 * len(sizes))) - 1]
    return Lengths(int(sizes[0]), int(sizes[(len(sizes) - 1) // 2]), int(ninety), int(sizes[-1]))


def _warnings(labels: tuple[tuple[str, int], ...], shared: int | None) -> tuple[str, ...]:
    found = [
        f"label {name!r} occurs once: it cannot be both learned and tested; add rows or remove it"
        for name, count in labels
        if count == 1
    ]
    if len(labels) == 1:
        found.append(f"only one label, {labels[0][0]!r}: there is nothing to tell apart")
    plain: dict[str, list[str]] = {}
    for name, _ in labels:
        plain.setdefault(name.strip().casefold(), []).append(name)
    found.extend(
        f"labels {', '.join(map(repr, alike))} differ only in case or spaces, and count as different"
        for alike in plain.values()
        if len(alike) > 1
    )
    if shared:
        found.append(f"{shared} rows have a text that is also in the test file: training leaves them out")
    return tuple(found)


def findings_of(report: Report) -> Findings:
    """The report in the form that those of other kinds of data have."""
    facts = []
    if report.lengths is not None:
        sizes = report.lengths
        facts.append(
            f"characters a text: shortest {sizes.shortest:,}, median {sizes.median:,}, nine of ten at most "
            f"{sizes.ninety:,}, longest {sizes.longest:,}"
        )
    facts.append(f"duplicates (training keeps the first of each): {report.duplicates:,}")
    if report.html_breaks:
        facts.append(f"rows with <br />, which is read as a space: {report.html_breaks:,}")
    if report.shared_with_test is not None:
        facts.append(f"rows whose text is also in the test file: {report.shared_with_test:,}")
    groups = tuple(", ".join(f"row {number}" for number in group) for group in report.contradictions)
    against = sum(map(len, report.contradictions))
    names = [name for name, count in report.labels for _ in range(count)]
    return Findings(
        name=report.name,
        kind="labelled",
        unit="rows",
        usable=report.rows,
        columns=report.columns,
        refused=report.refused,
        sheets=(counted(names, ("label", "rows", "share")),) if names else (),
        facts=tuple(facts),
        listings=(Listing(f"one text with several labels (training leaves them out; {against:,} rows)", groups),)
        if groups
        else (),
        warnings=report.warnings,
        faults=(*refused_fault(len(report.refused)), *class_faults(names)),
        good="A classifier can be trained on this file.",
    )
