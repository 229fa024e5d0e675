"""Curves: values by hand, slopes against autograd, in-place against copying."""

from __future__ import annotations

import math

import pytest
import torch

from regard.spec import SpecError
from regard.spec.curve import ACTIVATIONS, Curve

CURVES = [*(Curve(name) for name in ACTIVATIONS), Curve(cap=2.5), Curve(cap=50)]
X = torch.tensor([-30.0, -2.0, -0.3, 0.0, 0.7, 3.0, 30.0], dtype=torch.float64)


def by_hand(curve: Curve, x: float) -> float:
    if curve.cap is not None:
        return curve.cap * math.tanh(x / curve.cap)
    return {"identity": x, "sigmoid": 1 / (1 + math.exp(-x)), "tanh": math.tanh(x), "relu": max(x, 0.0)}[
        curve.activation
    ]


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_apply_is_the_formula(curve: Curve) -> None:
    expected = torch.tensor([by_hand(curve, x) for x in X.tolist()], dtype=torch.float64)
    torch.testing.assert_close(curve.apply(X), expected, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_apply_in_place_equals_apply(curve: Curve) -> None:
    own = X.clone()
    assert curve.apply_(own) is own
    torch.testing.assert_close(own, curve.apply(X), rtol=0, atol=0)


@pytest.mark.parametrize("curve", CURVES, ids=repr)
def test_slope_is_autograds(curve: Curve) -> None:
    x = X.clone().requires_grad_()
    y = curve.apply(x)
    (expected,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(curve.slope(y.detach()), expected, rtol=1e-12, atol=1e-14)


def test_apply_leaves_its_input_alone() -> None:
    for curve in CURVES:
        x = X.clone()
        curve.apply(x)
        assert torch.equal(x, X)


def test_only_the_identity_is_straight() -> None:
    assert [curve.straight for curve in CURVES] == [True] + [False] * 5


@pytest.mark.parametrize("cap", [0, -1.0, float("nan"), float("inf"), "50", True, torch.tensor(50.0)])
def test_a_cap_is_a_finite_number_above_0(cap: object) -> None:
    with pytest.raises(SpecError, match=r"softcap=.*: expected a finite number above 0, or None for no cap"):
        Curve(cap=cap)  # type: ignore[arg-type]


def test_activations_are_known_by_name() -> None:
    with pytest.raises(SpecError, match="activation='gelu': expected one of identity, sigmoid, tanh, relu"):
        Curve("gelu")


def test_a_curve_is_an_activation_or_a_cap() -> None:
    with pytest.raises(SpecError, match=r"softcap=3.0 and activation='sigmoid': a curve has one or the other"):
        Curve("sigmoid", 3.0)
