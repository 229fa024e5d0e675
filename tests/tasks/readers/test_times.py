"""Times in cells, and how far apart they are."""

from datetime import date, datetime, timedelta, timezone

import numpy as np
import pytest

from regard.tasks.readers.times import Frequency, frequency_of, time_of, written

DAY = 86_400


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1970-01-02", ("date", DAY)),
        ("1970-01-02 00:30", ("date", DAY + 1800)),
        ("1970-01-02T00:30:05", ("date", DAY + 1805)),
        ("1970-01-02T00:00:00Z", ("date", DAY)),
        ("1970-01-02T02:00:00+02:00", ("date", DAY)),
        ("1970-02", ("date", 31 * DAY)),
        ("1970Q2", ("date", 90 * DAY)),
        ("1970 Q2", ("date", 90 * DAY)),
        (" 12 ", ("step", 12)),
        ("-3", ("step", -3)),
        ("4.0", ("step", 4)),
        (5, ("step", 5)),
        (6.0, ("step", 6)),
        (date(1970, 1, 3), ("date", 2 * DAY)),
        (datetime(1970, 1, 1, 1), ("date", 3600)),
        (datetime(1970, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))), ("date", 0)),
    ],
)
def test_cells_that_are_times(value, expected):
    assert time_of(value, "when") == expected


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "no time in column 'when'"),
        ("  ", "no time in column 'when'"),
        (True, "no time in column 'when'"),
        ("yesterday", "column 'when' holds 'yesterday', expected a date"),
        ("2020-13-01", "column 'when' holds '2020-13-01'"),
        (1.5, "column 'when' holds 1.5, expected a date or a whole number"),
        (float("nan"), "holds nan"),
        ("2020-13", "column 'when' holds '2020-13', expected a date"),
        ("now", "column 'when' holds 'now', expected a date"),
        ("2020-01-01 00:00:00.5", "parts of a second are not read"),
        ("NaT", "column 'when' holds 'NaT', expected a date"),
    ],
)
def test_cells_that_are_none(value, said):
    assert said in time_of(value, "when")


def test_times_are_written_without_an_hour_that_is_midnight():
    assert written(DAY, "date") == "1970-01-02"
    assert written(DAY + 60, "date") == "1970-01-02 00:01:00"
    assert written(7, "step") == "7"


def found(*series, kind="date"):
    return frequency_of([(kind, np.array(one)) for one in series])


def dates(*texts):
    return [int(np.datetime64(text, "s").astype(np.int64)) for text in texts]


def test_frequencies_are_the_commonest_distance():
    assert str(found([0, 1800, 3600, 9000, 10800])) == "every 30 minutes"
    assert str(found([0, 3600, 7200])) == "every hour"
    assert str(found([0, DAY, 2 * DAY, 9 * DAY])) == "every day"
    assert str(found([0, 7 * DAY, 14 * DAY])) == "every week"
    assert str(found([1, 3, 5, 7, 8], kind="step")) == "every 2 steps"
    assert found([5], [7]) is None


def test_months_are_counted_as_months():
    assert str(found(dates("2020-01-15", "2020-02-15", "2020-03-15"))) == "every month"
    assert str(found(dates("2020-01-31", "2020-02-29", "2020-03-31"))) == "every month"
    assert str(found(dates("2019-10-01", "2020-01-01", "2020-04-01"))) == "every 3 months"
    assert str(found(dates("2018-01-01", "2019-01-01", "2020-01-01"))) == "every year"
    assert str(found(dates("2020-01-01", "2020-01-29", "2020-02-26"))) == "every 4 weeks"
    assert str(found(dates("2020-01-30", "2020-02-28", "2020-03-30"))) == "every 29 days"  # no month has this day last


def test_steps_between_times():
    months = Frequency("months", 1)
    assert months.steps(np.array(dates("2020-01-01", "2020-02-01", "2020-05-01"))).tolist() == [1, 3]
    assert Frequency("seconds", 60).steps(np.array([0, 60, 150])).tolist() == [1, 1.5]
