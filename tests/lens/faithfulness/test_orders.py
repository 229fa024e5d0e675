import numpy as np
import pytest

from regard.lens.faithfulness.orders import baselines, checked_weights, counts, heaviest_first, without_first
from regard.spec import SpecError


def test_the_heaviest_come_first_and_negative_ones_last():
    assert heaviest_first(np.array([0.1, -2.0, 0.7, 0.0])).tolist() == [2, 0, 3, 1]


def test_equal_weights_come_in_a_drawn_order_and_not_in_that_of_the_input():
    orders = {tuple(heaviest_first(np.zeros(6), seed=seed).tolist()) for seed in range(20)}
    assert len(orders) > 10
    assert heaviest_first(np.zeros(6), seed=3).tolist() == heaviest_first(np.zeros(6), seed=3).tolist()


def test_a_share_is_rounded_up_to_whole_units():
    assert counts((0.01, 0.05, 0.1, 0.2, 0.5), 9) == [1, 1, 1, 2, 5]
    assert counts((0.01, 0.05, 0.1, 0.2, 0.5), 100) == [1, 5, 10, 20, 50]  # .05 * 100 is a hair more than 5
    assert counts((0.5,), 1) == [1]


def test_what_is_left_when_the_first_are_gone():
    assert without_first(np.array([2, 0, 1]), [0, 1, 2]).tolist() == [
        [True, True, True],
        [True, True, False],
        [False, True, False],
    ]


def test_baselines_look_at_nothing():
    found = baselines(4, draws=3, seed=0)
    assert heaviest_first(found["position"][0]).tolist() == [0, 1, 2, 3]
    assert heaviest_first(found["reverse"][0]).tolist() == [3, 2, 1, 0]
    assert [sorted(one) for one in found["random"]] == [[0, 1, 2, 3]] * 3
    assert all(
        np.array_equal(one, other)
        for one, other in zip(found["random"], baselines(4, draws=3, seed=0)["random"], strict=True)
    )


@pytest.mark.parametrize(
    ("weights", "said"),
    [([1.0], r"\(1,\): expected \(2,\)"), ([1.0, np.nan], "on unit 1 is nan"), ([[1.0, 2.0]], "shape")],
)
def test_weights_that_do_not_fit_are_refused(weights, said):
    with pytest.raises(SpecError, match=said):
        checked_weights("mine", weights, 2)
