"""Each metric on inputs of which every partial answer is known: p = .1 + the shares of what is kept."""

import numpy as np
import pytest
from tests.lens.questions import added

from regard.lens.faithfulness import METRICS, Comprehensiveness, Deletion, Insertion, LeftOut, Sufficiency, measure

SHARES = [0.0, 0.4, 0.0, 0.2, 0.0, 0.0, 0.1, 0.0, 0.0, 0.1]  # the whole: .9
RIGHT = {"right": SHARES}


def value(metric, weights, shares=SHARES, **more):
    return measure(added(shares), {"it": weights}, metrics=(metric,), draws=1, **more).values["it"][metric.name]


def test_comprehensiveness_is_the_mean_fall_without_the_heaviest():
    # of 10 units the bins are 1, 1, 1, 2 and 5: without .4 three times, without .6, without all of .8
    assert value(Comprehensiveness(), SHARES) == pytest.approx((3 * 0.4 + 0.6 + 0.8) / 5)
    upside_down = [-share for share in SHARES]  # one, one, one, two, five units that say nothing
    assert value(Comprehensiveness(), upside_down) == pytest.approx(0, abs=1e-12)


def test_sufficiency_is_the_mean_fall_with_nothing_but_the_heaviest():
    # kept are .4 three times, .6, all
    assert value(Sufficiency(), SHARES) == pytest.approx((3 * 0.4 + 0.2 + 0.0) / 5)
    assert value(Sufficiency(), [-share for share in SHARES]) == pytest.approx(0.8)


def test_deletion_and_insertion_are_areas_under_straight_lines():
    # two units, .6 and .2 over a base of .1: .9, .3, .1 as they go; .1, .7, .9 as they come
    assert value(Deletion(), [2.0, 1.0], [0.6, 0.2]) == pytest.approx((0.9 + 0.3) / 4 + (0.3 + 0.1) / 4)
    assert value(Insertion(), [2.0, 1.0], [0.6, 0.2]) == pytest.approx((0.1 + 0.7) / 4 + (0.7 + 0.9) / 4)
    assert value(Deletion(), [1.0, 2.0], [0.6, 0.2]) > value(Deletion(), [2.0, 1.0], [0.6, 0.2])


def test_of_a_long_input_several_units_go_at_once():
    asked = []
    measure(added([0.001] * 400, asked=asked), {"it": np.arange(400.0)}, metrics=(Deletion(),), draws=1)
    assert len({400 - sum(row) for row in asked}) <= 21 + 5  # the points of the curve, and the five shares
    straight = value(Deletion(), np.arange(400.0), [0.001] * 400)
    assert straight == pytest.approx((0.5 + 0.1) / 2)  # equal units: a straight line from .5 to .1, however it is cut


def test_left_out_is_kendalls_tau_with_the_falls():
    assert value(LeftOut(), [0.0, 3.0, 0.0, 2.0], [0.0, 0.4, 0.0, 0.2]) == pytest.approx(1)
    assert value(LeftOut(), [3.0, 2.0, 1.0], [0.1, 0.2, 0.3]) == pytest.approx(-1)
    # of three pairs two agree and one does not
    assert value(LeftOut(), [1.0, 3.0, 2.0], [0.1, 0.2, 0.3]) == pytest.approx(1 / 3)
    assert value(LeftOut(), [1.0, 1.0, 1.0], [0.1, 0.2, 0.3]) == 0  # tells nothing apart
    assert value(LeftOut(), [1.0], [0.3]) == 0


def test_the_true_shares_are_ahead_of_every_baseline_on_every_metric():
    found = measure(added(SHARES), RIGHT, draws=30)
    for metric in METRICS:
        sign = 1 if metric.better == "higher" else -1
        mine = sign * found.values["right"][metric.name]
        assert all(mine > sign * found.values[name][metric.name] for name in ("random", "position", "reverse")), metric


def test_a_single_unit_is_measured():
    found = measure(added([0.5]), {"it": [1.0]}, draws=2)
    assert found.values["it"]["comprehensiveness"] == pytest.approx(0.5)
    assert found.values["it"]["sufficiency"] == pytest.approx(0, abs=1e-12)
    assert found.values["it"]["deletion"] == pytest.approx(0.35)
