"""Series: gaps, duplicates, rows out of order, numbers that are none; long and wide."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from regard.spec.errors import DataError
from regard.tasks.readers.series import read_series

LONG = "series,time,value,heat"


def test_a_long_table(table, reasons):
    path = table("rows.csv", LONG, "a,2020-01-01,1,10", "b,2020-01-01,5,0", "a,2020-01-02,2,11", "b,2020-01-02,6,0",
                 "a,2020-01-03,3,12")  # fmt: skip
    found = read_series(path, covariates=["heat"])
    first, second = found.usable()
    assert (first.name, first.values.tolist(), first.covariates.tolist()) == ("a", [1, 2, 3], [[10], [11], [12]])
    assert (second.name, second.values.tolist(), second.runs) == ("b", [5, 6], ((0, 2),))
    assert str(found.frequency) == "every day"
    assert (found.cells, found.refused, found.gaps) == (5, (), ())


def test_what_is_refused_by_row(table, reasons):
    path = table(
        "rows.csv", LONG,
        "a,2020-01-01,1,0", "a,2020-01-02,x,0", "a,2020-01-03,nan,0", "a,,4,0", "a,soon,5,0", ",2020-01-06,6,0",
        "a,2020-01-07,7,", "a,8,8,0", "a,2020-01-01,9,0", "a,2019-12-31,10,0", "a,2020-01-11,11,0", "a,2020-01-12,,0",
    )  # fmt: skip
    found = read_series(path, covariates=["heat"])
    assert found.series[0].values.tolist() == [1, 11]
    assert reasons(found) == {
        2: "column 'value' holds 'x', expected a number",
        3: "column 'value' holds nan, which is no number",
        4: "no time in column 'time'",
        5: "column 'time' holds 'soon', expected a date (2020-01-31 13:30) or a whole number",
        6: "no series in column 'series'",
        7: "no number in column 'heat'",
        8: "the time is a whole number, those before it are not: expected a date",
        9: "time 2020-01-01 of series 'a' occurs again (first in row 1)",
        10: "time 2019-12-31 of series 'a' is before that of the row above it, expected rising times "
        "(to sort: series.unsorted=sort)",
        12: "no number in column 'value'",
    }
    assert found.refused[0].line == 3
    with pytest.raises(DataError, match="10 of 12 rows cannot be used: row 2"):
        found.usable()
    assert len(found.usable(skip_refused=True)) == 1


def test_rows_are_sorted_where_that_was_asked_for_and_said(table):
    path = table("rows.csv", "time,value", "3,30", "1,10", "2,20", "2,21")
    found = read_series(path, unsorted="sort")
    assert found.series[0].values.tolist() == [10, 20, 30]
    assert found.series[0].name == "rows"  # one series without a column for it: the file's name
    assert found.notes == ("2 rows were not in order of time: they are sorted",)
    assert [one.number for one in found.refused] == [4]
    strict = read_series(path)
    assert strict.series[0].values.tolist() == [30]
    assert [one.number for one in strict.refused] == [2, 3, 4]


def test_gaps_are_named_and_part_a_series(table):
    times = ["00:00", "00:30", "02:00", "02:30", "03:10", "03:30", "04:00"]
    path = table("rows.csv", "time,value", *(f"2020-01-01 {one},1" for one in times))
    found = read_series(path)
    assert [str(gap) for gap in found.gaps] == [
        "series 'rows' after 2020-01-01 00:30:00: 2 missing",
        "series 'rows' after 2020-01-01 02:30:00: the next time is out of step",
        "series 'rows' after 2020-01-01 03:10:00: the next time is out of step",
    ]
    assert found.series[0].runs == ((0, 2), (2, 4), (4, 5), (5, 7))
    assert len(found.series[0]) == 7  # nothing was filled


def test_a_refused_row_leaves_a_gap(table):
    found = read_series(table("rows.csv", "time,value", "1,1", "2,2", "3,", "4,4", "5,5"))
    assert [str(gap) for gap in found.gaps] == ["series 'rows' after 2: 1 missing"]
    assert found.series[0].runs == ((0, 2), (2, 4))


def test_a_wide_table_has_a_series_a_column(table, reasons):
    path = table("rows.csv", "time,a,b,c", "1,1,,5", "2,2,20,", "3,x,30,", "4,4,40,8", "5,5,,9")
    found = read_series(path)
    assert {one.name: one.values.tolist() for one in found.series} == {
        "a": [1, 2, 4, 5], "b": [20, 30, 40], "c": [5, 8, 9]
    }  # fmt: skip
    # b begins later and ends sooner than the others: that is no fault; c has a hole
    assert sorted(str(one) for one in found.refused) == [
        "row 2 (line 3): no number in column 'c'",
        "row 3 (line 4): column 'a' holds 'x', expected a number",
        "row 3 (line 4): no number in column 'c'",
    ]
    assert found.cells == 15
    assert [str(gap) for gap in found.gaps] == ["series 'a' after 2: 1 missing", "series 'c' after 1: 2 missing"]


def test_parquet_with_timestamps(tmp_path):
    times = pa.array(np.array(["2020-01-01", "2020-02-01", "2020-03-01"], dtype="datetime64[ms]"))
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"month": times, "sold": [1, 2, None]}), path)
    found = read_series(path, time="month", value="sold")
    assert str(found.frequency) == "every month"
    assert found.series[0].values.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("lines", "more", "said"),
    [
        (["when,value", "1,2"], {}, "no column 'time'"),
        (["time", "1"], {}, "has no series: beside 'time' it needs"),
        (["time,value", "1,2"], {"series": "shop"}, "no column 'shop'"),
        (["time,value", "1,2"], {"covariates": ["heat"]}, "no column 'heat'"),
    ],
)
def test_columns_that_are_not_there(table, lines, more, said):
    with pytest.raises(DataError, match=said):
        read_series(table("rows.csv", *lines), **more)


def test_many_series_at_once_are_read_as_each_alone(table):
    draw = np.random.default_rng(0)
    lines = [(name, time, draw.normal()) for name in "abc" for time in sorted(draw.permutation(50)[:30].tolist())]
    path = table("rows.csv", "series,time,value", *(f"{n},{t},{v!r}" for n, t, v in draw.permutation(lines).tolist()))
    found = read_series(path, unsorted="sort")
    for one in found.series:
        mine = [(time, value) for name, time, value in lines if name == one.name]
        assert one.times.tolist() == [time for time, _ in mine]
        assert one.values.tolist() == [float(value) for _, value in mine]
        assert one.runs[0][0] == 0
        assert one.runs[-1][1] == 30


def test_words_that_are_kept_follow_their_times(table):
    path = table("rows.csv", "time,value,part", "2,20,late", "1,10,early", "3,x,none", "4,40,last")
    (one,) = read_series(path, kept=["part"], unsorted="sort").series
    assert one.kept == {"part": ("early", "late", "last")}
    wide = read_series(table("wide.csv", "time,a,b,part", "1,1,2,x", "2,3,4,y"), kept=["part"])
    assert [(row.name, row.kept["part"]) for row in wide.series] == [("a", ("x", "y")), ("b", ("x", "y"))]
