"""Series parted by time: no future in two parts, no window over a gap."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import DataError, SpecError
from regard.tasks.readers.series import Series, read_series
from regard.tasks.readers.windows import Cut, Window, cut_given, cut_series, windows_of


def series(length, *gaps, name="a"):
    """Steps 0, 1, ... with a gap before each of these places."""
    edges = [0, *gaps, length]
    runs = tuple(pairwise(edges))
    values = np.arange(length, dtype=np.float64)
    return Series(name, "step", np.arange(length), values, np.empty((length, 0)), runs)


def found(one, name, **window):
    cuts = cut_series([one], test=4, validation=3)
    return windows_of([one], cuts, name, Window(**window)).tolist()


def test_parts_are_cut_from_the_end():
    assert cut_series([series(20), series(9)], test=4, validation=3) == (Cut(13, 16, 20), Cut(2, 5, 9))
    assert Cut(13, 16, 20).part("train") == (0, 13)
    assert Cut(13, 16, 20).part("validation") == (13, 16)
    with pytest.raises(DataError, match="series 'b' has 7 times, of which 4 to test and 3 to validate leave none"):
        cut_series([series(20), series(7, name="b")], test=4, validation=3)


def test_windows_of_each_part_by_hand():
    # 20 times: train 0-12, validation 13-15, test 16-19
    assert found(series(20), "train", context=8, horizon=2) == [[0, 8], [0, 9], [0, 10], [0, 11]]
    assert found(series(20), "train", context=8, horizon=2, stride=2) == [[0, 8], [0, 10]]
    assert found(series(20), "validation", context=8, horizon=2) == [[0, 13], [0, 14]]
    assert found(series(20), "test", context=8, horizon=2, stride=2) == [[0, 16], [0, 18]]
    assert found(series(20), "test", context=8, horizon=3, stride=2) == [[0, 17]]  # the last times are foretold


def test_no_window_crosses_a_gap():
    assert found(series(20, 6), "train", context=4, horizon=2) == [[0, 4], [0, 10], [0, 11]]
    assert found(series(20, 18), "test", context=1, horizon=1) == [[0, 16], [0, 17], [0, 19]]


def test_a_part_without_windows_says_how_long_the_longest_stretch_is():
    with pytest.raises(DataError, match=r"no stretch of the train part holds 8 times and the 2 after them .* has 10\)"):
        found(series(20, 5, 10), "train", context=8, horizon=2)


def test_windows_make_sense():
    with pytest.raises(SpecError, match="expected at least 1 of each"):
        Window(0, 1)


@given(
    lengths=st.lists(st.integers(12, 40), min_size=1, max_size=3),
    gap=st.integers(1, 11),
    context=st.integers(1, 4),
    horizon=st.integers(1, 3),
    stride=st.integers(1, 4),
)
def test_every_window_lies_in_one_run_and_its_future_in_its_part(lengths, gap, context, horizon, stride):
    every = [series(length, gap, name=str(place)) for place, length in enumerate(lengths)]
    cuts = cut_series(every, test=3, validation=3)
    futures = {}
    for name in ("train", "validation", "test"):
        try:
            windows = windows_of(every, cuts, name, Window(context, horizon, stride))
        except DataError:
            continue
        for number, start in windows.tolist():
            low, high = cuts[number].part(name)
            assert low <= start
            assert start + horizon <= high
            assert any(a <= start - context and start + horizon <= b for a, b in every[number].runs)
            futures.setdefault(name, set()).update((number, start + step) for step in range(horizon))
    assert not futures.get("train", set()) & futures.get("test", set())


def test_parts_that_the_data_give(table):
    path = table("rows.csv", "time,value,part", "1,1,train", "2,2,train", "3,3,train", "4,4,test", "5,5,test")
    found = read_series(path, kept=["part"]).series
    assert found[0].kept == {"part": ("train",) * 3 + ("test",) * 2}
    assert cut_given(found, "part", validation=1) == (Cut(2, 3, 5),)
    for wrong in ("test,train,train", "train,train,train"):
        path = table("rows.csv", "time,value,part", *(f"{n},{n},{w}" for n, w in enumerate(wrong.split(","))))
        with pytest.raises(DataError, match="series 'rows': expected 'test' in column 'part' of its last times"):
            cut_given(read_series(path, kept=["part"]).series, "part", validation=1)
