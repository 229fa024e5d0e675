"""Times as numbers: against Python's own calendar, before 1970 too, and what is refused."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.nn.front_ends import calendar
from regard.spec import DataError, SpecError


def on_circle(share: float) -> list[float]:
    return [math.sin(2 * math.pi * share), math.cos(2 * math.pi * share)]


@given(st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2200, 1, 1)))
def test_against_pythons_calendar(time: datetime.datetime) -> None:
    made = calendar(np.array([time], dtype="datetime64[us]"))
    day = (time.hour * 3600 + time.minute * 60 + time.second) / 86_400
    want = [*on_circle(day), *on_circle(time.weekday() / 7), *on_circle((time.month - 1) / 12)]
    assert made.dtype == np.float32
    assert made[0].tolist() == pytest.approx(want, abs=1e-6)


def test_fields_in_the_order_asked_for_and_any_precision() -> None:
    days = np.array(["2024-04-01", "2024-07-02"], dtype="datetime64[D]")  # a Monday, a Tuesday
    made = calendar(days, ["month", "weekday"])
    assert made.shape == (2, 4)
    assert made[0].tolist() == pytest.approx([1, 0, 0, 1], abs=1e-6)
    assert made[1].tolist() == pytest.approx([0, -1, *on_circle(1 / 7)], abs=1e-6)
    assert calendar(days[:0]).shape == (0, 6)
    nanoseconds = np.array(["2024-04-01T06:00:00.000000001"], dtype="datetime64[ns]")
    assert calendar(nanoseconds, ["hour"])[0].tolist() == pytest.approx([1, 0], abs=1e-6)


def test_refusals() -> None:
    days = np.array(["2024-04-01", "NaT", "NaT"], dtype="datetime64[D]")
    with pytest.raises(DataError, match=r"time 1 is missing \(2 of 3 are\)"):
        calendar(days)
    for wrong in (days[:1, None], np.array([1.0]), ["2024-04-01"]):
        with pytest.raises(DataError, match="expected a 1-D array of datetime64"):
            calendar(wrong)  # type: ignore[arg-type]
    for fields in (["year"], "hour", []):
        with pytest.raises(SpecError, match="expected some of hour, weekday, month"):
            calendar(days[:1], fields)
