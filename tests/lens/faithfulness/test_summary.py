import numpy as np
import pytest
from tests.lens.questions import added

from regard.lens.faithfulness import Comprehensiveness, Sufficiency, ahead, average, choose, measure, won
from regard.lens.faithfulness.interval import mean
from regard.spec import SpecError

WHICH = np.random.default_rng(0).integers(0, 10, 12)


def one(place, **explanations):
    """An input of ten units of which one decides, measured."""
    shares = np.zeros(10)
    shares[place] = 0.8
    made = {"right": shares, "wrong": -shares} if not explanations else {k: f(shares) for k, f in explanations.items()}
    return measure(added(shares.tolist()), made, draws=5)


@pytest.fixture(scope="module")
def measured():
    return [one(int(place)) for place in WHICH]


def test_a_mean_has_the_interval_of_its_inputs():
    found = mean([0.0, 1.0] * 50)
    assert (found.value, found.inputs) == (0.5, 100)
    # the mean of 100 coin tosses: .5, within 1.96 * .05 in 95 of 100 cases
    assert (found.low, found.high) == pytest.approx((0.402, 0.598), abs=0.02)
    assert mean([0.3]).low == mean([0.3]).high == 0.3
    assert not mean([0.3]).above_zero  # of one input nothing is sure
    assert mean([0.3, 0.4]).above_zero
    with pytest.raises(SpecError, match="no inputs"):
        mean([])


def test_ahead_is_above_zero_for_the_better_whichever_way_a_metric_counts(measured):
    for metric in (Comprehensiveness(), Sufficiency()):
        assert ahead(measured, "right", metric).above_zero
        assert ahead(measured, "wrong", metric).high < 0
        assert won(measured, "right", metric) > 0.9
        assert won(measured, "wrong", metric) < 0.1
    assert won(measured, "random", Comprehensiveness()) == 0.5  # equal to itself
    assert average(measured, "right", Comprehensiveness()).value == pytest.approx(0.8)


def test_a_paired_difference_is_that_of_the_means(measured):
    metric = Comprehensiveness()
    apart = average(measured, "right", metric).value - average(measured, "random", metric).value
    assert ahead(measured, "right", metric).value == pytest.approx(apart)


def test_the_most_faithful_is_chosen_with_its_figures(measured):
    found = choose(measured)
    assert (found.name, found.told_apart) == ("right", True)
    assert "measured on 12 inputs (mask)" in found.why
    assert "wrong" in found.why
    assert "random" in found.why
    alone = choose(measured[:1])
    assert (alone.name, alone.told_apart) == ("right", False)
    assert "on this input" in alone.why


def test_of_equal_ones_the_first_is_chosen():
    same = [one(3, first=lambda shares: shares, second=lambda shares: 2 * shares)]
    assert choose(same).name == "first"


def test_nothing_to_choose_from(measured):
    with pytest.raises(SpecError, match="at least one input and one explanation"):
        choose([])
    with pytest.raises(SpecError, match="the same ones"):
        choose([measured[0], one(3, other=lambda shares: shares)])
