"""What every measure does with its rows: value, interval, gain, rows' own values."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.scores.measure import Measure, made_of, mean_of, paired, ratio_of


def _square(answers, truths):
    paired("square", answers, truths)
    return mean_of((np.asarray(answers) - np.asarray(truths)) ** 2, "said:so")


def _rate(answers, truths):
    return ratio_of(np.asarray(answers, dtype=float), np.asarray(truths, dtype=float))


square = Measure("square", _square, "lower", "known:before")
rate = Measure("rate", _rate)


def test_value_interval_and_protocol():
    metric = square([1.0, 2.0, 5.0], [1.0, 1.0, 3.0], protocol="part:test")
    assert metric.value == pytest.approx((0 + 1 + 4) / 3)
    assert metric.low <= metric.value <= metric.high
    assert (metric.low, metric.high) == pytest.approx((0.0, 4.0))  # of 27 equally likely draws, all 0 and all 4
    assert metric.protocol == "part:test|known:before|said:so|interval:bootstrap95 over rows"
    assert (metric.rows, metric.better) == (3, "lower")


def test_a_ratio_of_sums_is_not_a_mean_of_ratios():
    metric = rate([1.0, 1.0], [1.0, 3.0], protocol="p")
    assert metric.value == 2 / 4
    with pytest.raises(DataError, match="not a mean over rows"):
        rate.each([1.0, 1.0], [1.0, 3.0])


def test_the_rows_own_values():
    assert square.each([1.0, 2.0], [1.0, 0.0]).tolist() == [0.0, 4.0]


def test_a_gain_is_positive_for_the_better_answers_whichever_way_the_measure_points():
    near, far, truths = [1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [1.0, 2.0, 3.0]
    metric = square.gain(near, far, truths, protocol="p")
    assert (metric.value, metric.low, metric.high) == (1.0, 1.0, 1.0)  # better by 1 in every row, so in every draw
    assert square.gain(far, near, truths, protocol="p").value == -1.0
    assert metric.full_name == "square gain|p|known:before|said:so|interval:paired-bootstrap95 over rows"
    assert metric.better == "higher"
    assert rate.gain([2.0, 2.0], [1.0, 1.0], [1.0, 1.0], protocol="p").value == 1.0


def test_what_is_hard_for_both_does_not_widen_a_gain():
    chance = np.random.default_rng(0)
    truths, hard = np.zeros(200), chance.normal(size=200) * 10
    metric = square.gain(hard, np.sqrt(hard**2 + 1), truths, protocol="p")
    assert (metric.low, metric.high) == pytest.approx((1.0, 1.0))
    alone = square(hard, truths, protocol="p")
    assert alone.high - alone.low > 10


def test_a_gain_over_the_same_rows_only():
    uneven = Measure("uneven", lambda answers, truths: mean_of(np.asarray(answers, dtype=float)))
    with pytest.raises(DataError, match="2 answers beside 3 others"):
        uneven.gain([1, 2], [1, 2, 3], None, protocol="p")


def test_the_paired_interval_covers_the_true_gain_in_95_of_100_worlds():
    chance = np.random.default_rng(1)
    inside = 0
    for _ in range(200):
        truths = np.zeros(60)
        shared = chance.normal(size=60)
        one, other = shared, shared + chance.normal(0.0, 0.5, size=60)
        metric = square.gain(one, other, truths, protocol="p")
        inside += metric.low <= 0.25 <= metric.high  # E (s + e)^2 - E s^2 = .25
    assert 0.88 <= inside / 200 <= 0.99


def test_groups_change_the_interval_not_the_value():
    answers, truths, groups = [0.0, 0.0, 2.0, 2.0], [0.0] * 4, ["a", "a", "b", "b"]
    metric = square(answers, truths, protocol="p", groups=groups)
    assert metric.value == square(answers, truths, protocol="p").value == 2.0
    assert metric.protocol.endswith("interval:bootstrap95 over 2 groups")
    assert (metric.low, metric.high) == (0.0, 4.0)


def test_a_score_of_sums_may_be_anything():
    root = Measure("root", lambda answers, truths: made_of(np.asarray(answers)[:, None], lambda s: np.sqrt(s[:, 0])))
    assert root(np.array([4.0, 5.0]), None, protocol="p").value == 3.0


def test_no_rows_and_odd_rows_are_refused():
    for answers, truths in (([], []), ([1.0], [1.0, 2.0])):
        with pytest.raises(DataError, match="expected as many of each"):
            square(answers, truths, protocol="p")
