import pytest
import torch

from regard.lens.explanation import Explanation
from regard.lens.units import Units
from regard.spec.errors import ShapeError


def explanation(weights):
    units = Units(("a", "fine", "film"), "token")
    return Explanation(units, torch.tensor(weights, dtype=torch.float64), "occlusion", "good", 0.9, "made up")


def test_the_heaviest_come_first_and_of_equal_ones_the_earlier():
    assert explanation([0.2, 0.7, 0.2]).heaviest(3) == ((1, 0.7), (0, 0.2), (2, 0.2))
    assert explanation([-3.0, -1.0, -2.0]).heaviest(1) == ((1, -1.0),)


def test_it_says_itself_in_a_line():
    told = repr(explanation([0.25, 0.5, 0.0]))
    assert told == "<good (0.900) by occlusion: 'fine' 0.5, 'a' 0.25, 'film' 0 of 3 (token)>"


def test_weights_are_one_finite_float64_a_unit():
    with pytest.raises(ShapeError, match=r"float64 \(3,\)"):
        explanation([0.1, 0.2])
    with pytest.raises(ShapeError, match="not finite"):
        explanation([0.1, float("nan"), 0.2])
    with pytest.raises(ShapeError, match="float64"):
        Explanation(Units(("a",), "token"), torch.zeros(1), "occlusion", "good", 0.9, "made up")
