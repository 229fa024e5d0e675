"""Rows of times to come: what is known ahead stands in them, and the value is empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.readers.series import Series, SeriesTable, read_series
from regard.tasks.readers.times import Times


def with_rows_ahead(
    table: SeriesTable, path: Path, roles: Mapping[str, str], *, known: Sequence[str], past: Sequence[str]
) -> SeriesTable:
    """The table with the times after each series' last value that a file has rows for: their value is NaN, their
    covariates are those `known` ahead. Empty values after the last one are then no fault.

    Raises:
        DataError: a series has no such rows; the message says how they look.
    """
    wide = roles["value"] not in table.columns
    told = read_series(path, **{**roles, "value": known[0]}, covariates=known, unsorted="sort")
    theirs = {one.name: one for one in told.series}
    found, ahead = [], 0
    for one in table.series:
        other = told.series[0] if wide else theirs.get(one.name)
        later = None if other is None else np.flatnonzero(other.times > one.times[-1])
        if other is None or later is None or not len(later):
            raise DataError(
                f"{table.name}: nothing is known of series {one.name!r} after its last value; the run needs "
                f"{', '.join(known)} of the times to come: add rows for them, with no value in {roles['value']!r}"
            )
        ahead += len(later)
        found.append(_longer(one, other.times[later], other.covariates[later], len(past)))
    empty = [one for one in table.refused if f"no number in column {roles['value']!r}" in one.reason]
    left = tuple(one for one in table.refused if one not in empty) if len(empty) == ahead else table.refused
    return replace(table, series=tuple(found), refused=left)


def _longer(series: Series, times: Times, known: NDArray[np.float64], past: int) -> Series:
    more = np.concatenate([known, np.full((len(times), past), np.nan)], 1)
    return replace(
        series,
        times=np.concatenate([series.times, times]),
        values=np.concatenate([series.values, np.full(len(times), np.nan)]),
        covariates=np.concatenate([series.covariates, more]),
    )
