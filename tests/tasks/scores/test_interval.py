"""Intervals: the published ones, their coverage, what is drawn, and that everyone gets the same draws."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.scores import interval
from regard.tasks.scores.interval import bootstrap, counts, members, middle_95, wilson


def mean_of(values):
    return lambda drawn: drawn @ values / drawn.sum(1)


@pytest.mark.parametrize(
    ("share", "rows", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3
    [
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0.0, 20, 0.0, 0.1611),
        (1 / 29, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(share, rows, low, high):
    assert wilson(share, rows) == pytest.approx((low, high), abs=5e-5)


def test_wilson_covers_the_truth_in_95_of_100_draws():
    draw = np.random.default_rng(0)
    truth, rows = 0.88, 200
    hits = [low <= truth <= high for low, high in (wilson(k / rows, rows) for k in draw.binomial(rows, truth, 4000))]
    assert 0.935 < np.mean(hits) < 0.965


def test_every_draw_has_as_many_units_as_there_are():
    blocks = list(counts(7))
    assert sum(map(len, blocks)) == 2000
    assert (np.concatenate(blocks).sum(1) == 7).all()
    assert np.concatenate(blocks).mean() == pytest.approx(1.0)


def test_the_same_draws_each_time_and_whatever_the_block(monkeypatch):
    whole = np.concatenate(list(counts(5)))
    monkeypatch.setattr(interval, "_BLOCK", 15)  # three draws a block
    assert np.array_equal(np.concatenate(list(counts(5))), whole)


def test_the_bootstrap_of_a_mean_spreads_as_the_normal_theory_says():
    values = np.random.default_rng(3).normal(size=400)
    low, high = middle_95(bootstrap(mean_of(values), units=400)[0])
    half = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_scores_are_drawn_together():
    values = np.random.default_rng(4).normal(size=50)
    one, other = bootstrap(mean_of(values), mean_of(values + 1.0), units=50)
    assert other - one == pytest.approx(np.ones(2000))


def test_draws_without_a_score_are_left_out():
    draws = np.array([np.nan, 1.0, 1.0, np.nan])
    assert middle_95(draws) == (1.0, 1.0)


def test_rows_of_a_group_are_drawn_together():
    among = members(4, ["a", "b", "a", "b"])
    assert among.of_row.tolist() == [0, 1, 0, 1]
    assert among.words == "2 groups"
    assert among.summed(np.array([[1.0], [2.0], [3.0], [4.0]])).tolist() == [[4.0], [6.0]]


def test_an_interval_over_groups_is_wider_where_their_rows_are_alike():
    level = np.repeat(np.random.default_rng(5).normal(size=40), 10)  # ten rows a group, all the same
    rows, groups = members(400), members(400, np.repeat(np.arange(40), 10).tolist())
    widths = []
    for among in (rows, groups):
        sums = among.summed(np.stack([level, np.ones(400)], axis=1))
        low, high = middle_95(
            bootstrap(lambda drawn, s=sums: (drawn @ s)[:, 0] / (drawn @ s)[:, 1], units=among.units)[0]
        )
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(10), rel=0.15)


def test_many_rows_are_drawn_as_bins_whose_mean_spreads_as_the_rows(monkeypatch):
    values = np.random.default_rng(6).normal(size=3000)
    monkeypatch.setattr(interval, "MOST_UNITS", 500)
    among = members(3000)
    assert among.units == 500
    assert np.bincount(among.of_row).tolist() == [6] * 500
    sums = among.summed(values[:, None])[:, 0]
    low, high = middle_95(bootstrap(lambda drawn: drawn @ sums / 3000, units=500)[0])
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(3000), rel=0.1)


def test_groups_that_tell_nothing_are_refused():
    with pytest.raises(DataError, match="all 3 rows are of one group"):
        members(3, ["x", "x", "x"])
    with pytest.raises(DataError, match="2 groups for 3 rows"):
        members(3, ["x", "y"])
