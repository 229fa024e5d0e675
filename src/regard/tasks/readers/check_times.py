"""Reports on data in time: series and events."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from regard.tasks.readers.events import Events, read_events
from regard.tasks.readers.findings import NUMBERS, Findings, Listing, Sheet, counted, few_fault, refused_fault, spread
from regard.tasks.readers.series import SeriesTable, read_series
from regard.tasks.readers.times import written

Columns = Mapping[str, str]  # what a column is for -> its name, where that is another

_SHOWN = 20  # series that are listed one by one


def check_series(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Series of numbers over time."""
    table = read_series(
        path, covariates=tuple(rules.get("covariates", ())), unsorted=rules.get("unsorted", "refuse"), **columns
    )
    sheet, facts = _series(table)
    missing = sum(gap.missing or 0 for gap in table.gaps)
    warnings = []
    if table.gaps:
        odd = sum(gap.missing is None for gap in table.gaps)
        out = f", {odd:,} of them out of step" if odd else ""
        warnings.append(
            f"{len(table.gaps):,} gaps ({missing:,} times missing{out}): they are not filled, and no window crosses one"
        )
    still = [one.name for one in table.series if len(one) and float(np.ptp(one.values)) == 0]
    if still:
        warnings.append(f"{len(still):,} series never change, such as {still[0]!r}: there is nothing to foretell")
    longest = max((len(one) for one in table.series), default=0)
    return Findings(
        table.name, "series", "series", len(table.series), table.columns, table.refused,
        sheets=(sheet,) if table.series else (), facts=(*table.notes, *facts),
        listings=(Listing("gaps", tuple(map(str, table.gaps))),) if table.gaps else (), warnings=tuple(warnings),
        faults=(*refused_fault(len(table.refused)), *few_fault(longest, "times in the longest series")),
        good="A forecaster can be trained on this file.",
    )  # fmt: skip


def check_events(path: Path, test: Path | None, columns: Columns, rules: Mapping[str, Any]) -> Findings:
    """Events of users and items. Of a test file: the items that no training row has are refused."""
    least = int(rules.get("least", 2))
    events = read_events(path, least=least, **columns)
    facts: tuple[str, ...] = ()
    refused = events.refused
    if len(events):
        facts = _events(events)
    if test is not None:
        known = read_events(test, least=1, known_items=events.item_names, **columns)
        unknown = [one for one in known.refused if "occurs in no training row" in one.reason]
        facts = (*facts, f"rows of the test file whose item no training row has: {len(unknown):,}")
    return Findings(
        events.name, "events", "events", len(events), events.columns, refused,
        sheets=(_popular(events),) if len(events) else (), facts=(*events.notes, *facts),
        faults=(*refused_fault(len(refused)), *few_fault(len(events.user_names), "users", 2),
                *few_fault(len(events.item_names), "items", 2)),
        good="A recommender can be trained on this file.",
    )  # fmt: skip


def _series(table: SeriesTable) -> tuple[Sheet, tuple[str, ...]]:
    rows = tuple(
        (one.name, written(int(one.times[0]), one.kind), written(int(one.times[-1]), one.kind), f"{len(one):,}",
         f"{len(one.runs) - 1:,}", f"{one.values.min():.4g}", f"{one.values.mean():.4g}", f"{one.values.max():.4g}")
        for one in table.series[:_SHOWN]
    )  # fmt: skip
    header = ("series", "from", "to", "times", "gaps", "least", "mean", "most")
    sheet = Sheet(header, rows, max(len(table.series) - _SHOWN, 0))
    facts = [f"times are apart: {table.frequency}"] if table.frequency is not None else []
    if len(table.series) > 1:
        facts.append(spread([len(one) for one in table.series], "times a series"))
    if table.covariates:
        facts.append(f"known beside the values: {', '.join(table.covariates)}")
    return sheet, tuple(facts)


def _events(events: Events) -> tuple[str, ...]:
    of_users, of_items = np.bincount(events.users), np.bincount(events.items)
    pairs = np.unique(events.users * len(events.item_names) + events.items)
    share = len(pairs) / (len(events.user_names) * len(events.item_names))
    return (
        f"{len(events.user_names):,} users, {len(events.item_names):,} items; of all their pairs {share:.2%} occur",
        f"from {written(int(events.times.min()), events.kind)} to {written(int(events.times.max()), events.kind)}",
        spread(of_users.tolist(), "events a user", ends=NUMBERS),
        spread(of_items.tolist(), "events an item", ends=NUMBERS),
        f"events that occur again (one user, item and time): {events.again:,}",
        f"items with one event, which a model can hardly learn: {int((of_items == 1).sum()):,}",
    )


def _popular(events: Events) -> Sheet:
    return counted((events.item_names[item] for item in events.items), ("item", "events", "share"))
