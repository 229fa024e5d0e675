"""Scaling series one by one, and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.nn.front_ends import InstanceScale
from regard.nn.front_ends.instance_scale import InstanceScaling
from regard.spec import ShapeError, SpecError


def everywhere(values: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(values, dtype=torch.bool)


def test_mean_and_deviation_by_hand() -> None:
    values = torch.tensor([[[1.0], [3.0]], [[10.0], [10.0]]])
    scale = InstanceScaling(1)(values, everywhere(values))
    assert scale.mean.flatten().tolist() == [2.0, 10.0]
    assert scale.deviation.flatten().tolist() == [1.0, 1.0]  # the second does not vary: shifted only
    assert scale.apply(values).flatten().tolist() == [-1.0, 1.0, 0.0, 0.0]


def test_what_is_not_observed_does_not_count() -> None:
    values = torch.tensor([[[1.0, 5.0], [float("nan"), float("inf")], [3.0, 7.0]]])
    observed = torch.tensor([[[True, False], [False, False], [True, False]]])
    scale = InstanceScaling(2)(values, observed)
    assert scale.mean.flatten().tolist() == [2.0, 0.0]
    assert scale.deviation.flatten().tolist() == [1.0, 1.0]


def test_rounding_is_not_a_spread() -> None:
    for level in (0.1, 0.7, 1e6 + 0.1):  # the mean of 7 such numbers is none of them
        values = torch.full((1, 7, 1), level)
        assert float((values - values.sum() / 7).abs().max()) > 0
        assert InstanceScaling(1)(values, everywhere(values)).deviation.item() == 1.0
    small = torch.tensor([[[1e-9], [3e-9]]])
    assert InstanceScaling(1)(small, everywhere(small)).deviation.item() == pytest.approx(1e-9)


@given(st.integers(1, 13), st.integers(1, 3), st.floats(-1e4, 1e4), st.floats(1e-3, 1e3), st.booleans())
def test_undo_is_the_inverse(steps: int, channels: int, level: float, spread: float, affine: bool) -> None:
    values = torch.randn(2, steps, channels, dtype=torch.float64) * spread + level
    scaling = InstanceScaling(channels, affine=affine).double()
    for parameter in scaling.parameters():
        torch.nn.init.normal_(parameter)
    scale = scaling(values, everywhere(values))
    torch.testing.assert_close(scale.undo(scale.apply(values)), values)
    torch.testing.assert_close(scale.undo(scale.apply(values)[..., None])[..., 0], values)


def test_a_trained_gain_keeps_quantiles_in_order() -> None:
    scaling = InstanceScaling(1, affine=True)
    assert scaling.log_gain is not None
    assert scaling.offset is not None
    torch.nn.init.constant_(scaling.log_gain, -5.0)
    torch.nn.init.constant_(scaling.offset, 2.0)
    values = torch.randn(3, 7, 1)
    scale = scaling(values, everywhere(values))
    answers = scale.undo(torch.tensor([-1.0, 0.0, 1.0]).expand(3, 2, 1, 3))
    assert answers.shape == (3, 2, 1, 3)
    assert bool((answers.diff(dim=-1) > 0).all())
    answers.sum().backward()
    assert scaling.log_gain.grad is not None
    assert float(scaling.offset.grad) != 0


def test_one_channel_alone() -> None:
    values = torch.randn(2, 5, 3) * torch.tensor([1.0, 10.0, 100.0])
    scaling = InstanceScaling(3, affine=True)
    torch.nn.init.normal_(scaling.offset)
    scale = scaling(values, everywhere(values))
    answers = torch.randn(2, 4, 3)
    torch.testing.assert_close(scale.only(1).undo(answers[..., 1:2]), scale.undo(answers)[..., 1:2])
    plain = InstanceScaling(3)(values, everywhere(values))
    torch.testing.assert_close(plain.only(2).undo(answers[..., 2:]), plain.undo(answers)[..., 2:])
    for channel in (3, -1):
        with pytest.raises(ShapeError, match=r"there are channels 0 to 2"):
            scale.only(channel)


def test_shapes_and_dtypes() -> None:
    values = torch.randn(2, 5, 3).bfloat16()
    scale = InstanceScaling(3)(values, everywhere(values))
    assert scale.mean.dtype == torch.float32
    assert isinstance(scale, InstanceScale)
    assert scale.undo(torch.zeros(2, 4, 3).bfloat16()).dtype == torch.float32
    for wrong in (torch.zeros(2, 4, 2), torch.zeros(3, 4, 3), torch.zeros(2, 3)):
        with pytest.raises(ShapeError, match=r"expected \(2, steps, 3\) or \(2, steps, 3, quantiles\)"):
            scale.undo(wrong)
    with pytest.raises(SpecError, match="channels=0"):
        InstanceScaling(0)
