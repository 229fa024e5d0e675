"""Series at all of their times, with a mask over those that were not measured."""

import numpy as np
import pytest

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.regular import after, local, regular
from regard.tasks.readers.series import read_series
from regard.tasks.readers.times import Frequency


def seconds(*days):
    return np.array(days, dtype="datetime64[s]").astype(np.int64)


def test_a_missing_time_is_there_and_not_observed(table):
    path = table("rows.csv", "time,value,heat", "2020-01-01,1,10", "2020-01-02,2,11", "2020-01-04,4,13",
                 "2020-01-05,5,14")  # fmt: skip
    found = read_series(path, covariates=["heat"])
    (one,) = regular(found, found.usable(), ahead=2)
    assert one.values.tolist() == [1, 2, 0, 4, 5, 0, 0]
    assert one.observed.tolist() == [True, True, False, True, True, False, False]
    assert one.times.tolist() == seconds(*(f"2020-01-0{day}" for day in range(1, 8))).tolist()
    assert np.isnan(one.covariates[:, 0]).tolist() == [False, False, True, False, False, True, True]
    assert (one.name, len(one)) == ("rows", 7)


def test_times_out_of_step_are_named(table):
    path = table("rows.csv", "time,value", "2020-01-01,1", "2020-01-02,2", "2020-01-03 05:00,3", "2020-01-04 05:00,4")
    found = read_series(path)
    with pytest.raises(DataError, match="every day, and 1 are out of step: series 'rows' after 2020-01-02"):
        regular(found, found.usable())


def test_one_time_has_no_distance(table):
    found = read_series(table("rows.csv", "time,value", "2020-01-01,1"))
    with pytest.raises(DataError, match="no series has two times"):
        regular(found, found.usable())


@pytest.mark.parametrize(
    ("first", "step", "expected"),
    [
        ("2020-01-15", 1, ["2020-01-15", "2020-02-15", "2020-03-15"]),
        ("2020-01-31", 1, ["2020-01-31", "2020-02-29", "2020-03-31"]),  # the last of each month
        ("2019-12-30T06:00", 2, ["2019-12-30T06:00", "2020-02-29T06:00", "2020-04-30T06:00"]),
        ("2019-11-30", 3, ["2019-11-30", "2020-02-29", "2020-05-31"]),  # the 30th is November's last
    ],
)
def test_months_after(first, step, expected):
    found = after(int(seconds(first)[0]), np.arange(3), Frequency("months", step))
    assert found.tolist() == seconds(*expected).tolist()


def test_other_steps_after():
    assert after(100, np.arange(3), Frequency("seconds", 1800)).tolist() == [100, 1900, 3700]
    assert after(7, np.arange(2), Frequency("steps", 1)).tolist() == [7, 8]


def test_a_clock_on_the_wall():
    times = seconds("2020-01-01T00:30", "2020-07-01T00:30")
    shown = local(times, "Australia/Melbourne").astype(str).tolist()
    assert shown == ["2020-01-01T11:30:00", "2020-07-01T10:30:00"]  # summer time is in January there
    assert local(times, None).astype(np.int64).tolist() == times.tolist()
    with pytest.raises(SpecError, match=r"series\.zone was 'Nowhere/At all'"):
        local(times, "Nowhere/At all")
