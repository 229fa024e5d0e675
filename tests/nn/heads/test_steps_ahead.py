"""Tokens of the future tell their own steps."""

import pytest
import torch

from regard.nn.heads import StepsAhead
from regard.spec.errors import ShapeError, SpecError


def test_each_token_tells_its_own_steps_and_quantiles_rise():
    head = StepsAhead(4, 5, (0.1, 0.5, 0.9), patch=2)
    x = torch.randn(3, 7, 4)
    found = head(x)
    assert (head.tokens, found.shape) == (3, (3, 5, 3))
    assert bool((found.diff(dim=-1) > 0).all())
    other = x.clone()
    other[:, -2] += 1  # the second of the three tokens of the future
    told = (head(other) != found).flatten(2).any(-1).any(0)
    assert told.tolist() == [False, False, True, True, False]
    past = x.clone()
    past[:, :4] = 9
    assert torch.equal(head(past), found)


def test_the_middle_quantile_is_the_linear_layer_itself():
    head = StepsAhead(2, 2, (0.25, 0.5, 0.75), patch=1)
    with torch.no_grad():
        head.steps.weight.zero_()
        head.steps.bias.copy_(torch.tensor([0.0, 7.0, 0.0]))
    low, middle, high = head(torch.zeros(1, 2, 2))[0, 0].tolist()
    assert middle == 7
    assert high - middle == pytest.approx(middle - low) == pytest.approx(0.6931, abs=1e-3)  # softplus of 0


def test_what_does_not_fit():
    with pytest.raises(ShapeError, match="2 tokens, expected the 3 of the future"):
        StepsAhead(4, 5, (0.5,), patch=2)(torch.zeros(1, 2, 4))
    with pytest.raises(SpecError):
        StepsAhead(4, 0, (0.5,), patch=2)
