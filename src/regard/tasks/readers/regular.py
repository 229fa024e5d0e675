"""Series laid out at every time, those that were not measured too, with a mask that says which were.

Nothing is filled: a time that a series lacks has the value 0 and `observed` False, and whoever reads the values reads
the mask with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.series import Series, SeriesTable
from regard.tasks.readers.times import Frequency, Times

_HOUR = 3600


@dataclass(frozen=True)
class Regular:
    """One series at every one of its times. times (n,) seconds since 1970, or steps; values (n,), 0 where they are not
    observed; observed (n,) bool; covariates (n, columns), NaN where the row is missing."""

    name: str
    times: Times
    values: NDArray[np.float64]
    observed: NDArray[np.bool_]
    covariates: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.times)


def regular(table: SeriesTable, series: Sequence[Series], *, ahead: int = 0) -> tuple[Regular, ...]:
    """The series of a table, each from its first time to its last, and `ahead` times more that nothing is known of.

    Raises:
        DataError: there are no two times to tell their distance by, or a time is no whole number of steps after the
            one before; the message names it.
    """
    if table.frequency is None:
        raise DataError(f"{table.name}: no series has two times, expected at least two to tell how far they are apart")
    odd = [gap for gap in table.gaps if gap.missing is None]
    if odd:
        raise DataError(
            f"{table.name}: times are apart {table.frequency}, and {len(odd):,} are out of step: {odd[0]}; correct them"
        )
    return tuple(_laid(one, table.frequency, ahead) for one in series)


def _laid(series: Series, frequency: Frequency, ahead: int) -> Regular:
    places = np.concatenate([[0], np.cumsum(np.rint(frequency.steps(series.times)))]).astype(np.int64)
    many = int(places[-1]) + 1 + ahead
    values, covariates = np.zeros(many), np.full((many, series.covariates.shape[1]), np.nan)
    there = np.isfinite(series.values)
    values[places[there]] = series.values[there]
    covariates[places] = series.covariates
    observed = np.zeros(many, dtype=bool)
    observed[places[there]] = True
    times = after(int(series.times[0]), np.arange(many), frequency)
    times[places] = series.times
    return Regular(series.name, times, values, observed, covariates)


def after(first: int, steps: NDArray[np.int64], frequency: Frequency) -> Times:
    """The times so many steps after the first one. Months keep the day, or take the last where a month is shorter."""
    if frequency.unit != "months":
        return first + steps * frequency.step
    start = np.datetime64(first, "s")
    month = start.astype("datetime64[M]")
    within = (start - month.astype("datetime64[s]")).astype(np.int64)
    found = month + steps * frequency.step
    last = ((found + 1).astype("datetime64[s]") - found.astype("datetime64[s]")).astype(np.int64) - 86_400
    last_day = (month + 1).astype("datetime64[s]") - start <= np.timedelta64(86_400, "s")
    kept = last + within % 86_400 if last_day else np.minimum(within, last + within % 86_400)
    return np.asarray(found.astype("datetime64[s]").astype(np.int64) + kept, dtype=np.int64)


def local(times: Times, zone: str | None) -> NDArray[np.datetime64]:
    """Times as a clock on the wall shows them in a zone ("Australia/Melbourne"); as they are without one.

    Raises:
        SpecError: there is no such zone.
    """
    shown = times.astype("datetime64[s]")
    if zone is None:
        return shown
    try:
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SpecError(f"series.zone was {zone!r}, expected a time zone's name, such as Europe/Paris") from None
    hours, where = np.unique(times // _HOUR, return_inverse=True)  # clocks change on the hour
    shifts = [datetime.fromtimestamp(int(hour) * _HOUR, timezone.utc).astimezone(place).utcoffset() for hour in hours]
    seconds = np.array([0 if one is None else int(one.total_seconds()) for one in shifts], dtype=np.int64)
    found: NDArray[np.datetime64] = shown + seconds[where].astype("timedelta64[s]")
    return found
