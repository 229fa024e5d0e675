import numpy as np
import pytest
from tests.lens.questions import added

from regard.lens.faithfulness import QUICK, measure
from regard.spec import SpecError

SHARES = [0.0, 0.4, 0.0, 0.2, 0.0, 0.0, 0.1, 0.0, 0.0, 0.1]


def test_every_partial_input_is_asked_once():
    asked = []
    measure(added(SHARES, asked=asked), {"one": SHARES, "same": SHARES}, draws=10)
    assert len(asked) == len(set(asked))
    assert (True,) * 10 in asked


def test_what_is_left_without_each_share():
    found = measure(added(SHARES), {"it": SHARES}, draws=4)
    assert found.whole == pytest.approx(0.9)
    assert found.left["it"] == pytest.approx((0.5, 0.5, 0.5, 0.3, 0.1))
    assert found.left["position"] == pytest.approx((0.9, 0.9, 0.9, 0.5, 0.3))  # first 1, 2 and 5 units of 10
    assert found.left["reverse"] == pytest.approx((0.8, 0.8, 0.8, 0.8, 0.7))
    assert np.mean(found.drawn, axis=0) == pytest.approx(found.left["random"])
    assert len(found.drawn) == 4


def test_random_order_is_the_mean_of_its_draws_and_hangs_on_the_seed_alone():
    first, again, other = (measure(added(SHARES), {"it": SHARES}, draws=5, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.drawn != other.drawn
    apart = measure(added(SHARES), {"another": np.arange(10.0)}, draws=5, seed=1)
    assert apart.values["random"] == first.values["random"]  # explanations measured apart stand beside the same orders


def test_many_random_orders_come_to_what_chance_gives():
    found = measure(added(SHARES), {"it": SHARES}, metrics=QUICK, draws=2000)
    # a random unit is worth .08: one, one, one, two and five of them
    assert found.values["random"]["comprehensiveness"] == pytest.approx(0.08 * (1 + 1 + 1 + 2 + 5) / 5, abs=0.01)


def test_ways_are_measured_apart():
    question = added(SHARES, ways=("mask", "zero"))
    assert measure(question, {"it": SHARES}, draws=1).way == "mask"
    assert measure(question, {"it": SHARES}, draws=1, way="zero").way == "zero"
    with pytest.raises(SpecError, match="mask, zero"):
        measure(question, {"it": SHARES}, way="blur")


@pytest.mark.parametrize(
    ("explanations", "more", "said"),
    [
        ({"random": SHARES}, {}, "as a baseline is"),
        ({"it": SHARES[:3]}, {}, r"\(3,\): expected \(10,\)"),
        ({"it": SHARES}, {"draws": 0}, "draws=0"),
    ],
)
def test_what_makes_no_sense_is_refused(explanations, more, said):
    with pytest.raises(SpecError, match=said):
        measure(added(SHARES), explanations, **more)
