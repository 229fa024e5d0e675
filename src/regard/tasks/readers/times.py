"""Times in cells: dates with or without the hour, quarters, or numbers of steps; how far apart they are, and where not.

Dates are counted in seconds since 1970 (UTC where they name no zone: they are not shifted), steps as they are.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["date", "step"]
Unit = Literal["seconds", "months", "steps"]
Times = NDArray[np.int64]

_QUARTER = re.compile(r"(\d{4})[ -]?[Qq]([1-4])")
_MONTH_ALONE = re.compile(r"(\d{4})-(\d{2})")
_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")
_MONTH = 28 * 86_400  # seconds that two days with one number in a month are apart, at least
_NAMES = ((86_400 * 7, "week"), (86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def time_of(value: Any, column: str) -> tuple[Kind, int] | str:
    """A cell's time, or why it is none."""
    if isinstance(value, bool) or value is None or (isinstance(value, str) and not value.strip()):
        return f"no time in column {column!r}"
    if isinstance(value, date):
        return _dated(value, column)
    if isinstance(value, int | float | np.integer | np.floating):
        whole = np.isfinite(value) and float(value).is_integer()
        return ("step", int(value)) if whole else f"column {column!r} holds {value}, expected a date or a whole number"
    text = str(value).strip()
    if _WHOLE.fullmatch(text):
        return "step", int(float(text))
    quarter = _QUARTER.fullmatch(text)
    if quarter:
        return "date", _seconds(date(int(quarter[1]), 3 * int(quarter[2]) - 2, 1))
    month = _MONTH_ALONE.fullmatch(text)
    with suppress(ValueError):
        if month:
            return "date", _seconds(date(int(month[1]), int(month[2]), 1))
        return _dated(datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)), column)
    return f"column {column!r} holds {text[:40]!r}, expected a date (2020-01-31 13:30) or a whole number"


def written(time: int, kind: Kind) -> str:
    """A time as text: the hour is left out where it is midnight."""
    if kind == "step":
        return str(time)
    text = str(np.datetime64(time, "s"))
    return text.removesuffix("T00:00:00").replace("T", " ")


@dataclass(frozen=True)
class Frequency:
    """How far times are apart: so many seconds, months or steps."""

    unit: Unit
    step: int

    def __str__(self) -> str:
        if self.unit == "seconds":
            size, name = next((size, name) for size, name in _NAMES if self.step % size == 0)
            return _every(self.step // size, name)
        if self.unit == "months":
            return _every(self.step // 12, "year") if self.step % 12 == 0 else _every(self.step, "month")
        return _every(self.step, "step")

    def steps(self, times: Times) -> NDArray[np.float64]:
        """How many steps lie between each time and the next, (times - 1,): 1 where nothing is missing."""
        return np.diff(_counted(times, self.unit)) / self.step


def frequency_of(series: list[tuple[Kind, Times]]) -> Frequency | None:
    """The commonest distance of neighbouring times over all series (each rising); None without two times in one.

    Months where no two times of a series are less than 28 days apart, and all are on one day of the month or on the
    last.
    """
    pairs = [(kind, times) for kind, times in series if len(times) > 1]
    if not pairs:
        return None
    unit: Unit = "steps" if pairs[0][0] == "step" else "seconds"
    if unit == "seconds" and all(_monthly(times) for _, times in pairs):
        unit = "months"
    distances = np.concatenate([np.diff(_counted(times, unit)) for _, times in pairs])
    values, counts = np.unique(distances, return_counts=True)
    return Frequency(unit, int(values[counts.argmax()]))


def _every(count: int, name: str) -> str:
    return f"every {name}" if count == 1 else f"every {count:,} {name}s"


def _dated(value: date, column: str) -> tuple[Kind, int] | str:
    if isinstance(value, datetime) and value.microsecond:
        return f"column {column!r} holds {value}: parts of a second are not read, number the steps instead"
    return "date", _seconds(value)


def _seconds(value: date) -> int:
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    aware = value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)
    return int(aware.timestamp())


def _counted(times: Times, unit: Unit) -> Times:
    """Times in units of which one step has a whole number."""
    if unit != "months":
        return times
    return times.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)


def _monthly(times: Times) -> bool:
    if int(np.diff(times).min()) < _MONTH:
        return False
    dates = times.astype("datetime64[s]")
    inside = (dates - dates.astype("datetime64[M]")).astype(np.int64)
    days = dates.astype("datetime64[D]")
    last = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return bool((inside == inside[0]).all() or last.all())
