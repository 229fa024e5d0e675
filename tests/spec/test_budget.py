"""Budgets: bytes of a 16-bit cache, and what is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.spec import Budget, Focus, SpecError, WindowSinks
from regard.spec.budget import ROUNDING


def test_bytes_of_a_share_and_of_keys() -> None:
    """A key of 64 numbers and a value of 32 take 2 * 96 = 192 bytes."""
    assert Budget(fraction=0.25).bytes(1000, 64, 32) == 250 * 192
    assert Budget(keys=10).bytes(1000, 64, 32) == 10 * 192
    assert Budget(keys=10).bytes(3, 64, 32) == 3 * 192
    assert Budget(fraction=1).bytes(0, 64, 32) == 0


def test_a_budget_may_pay_for_all_keys() -> None:
    assert Budget(fraction=1).pays_for_all(1000)
    assert not Budget(fraction=0.999).pays_for_all(1000)
    assert Budget(keys=10).pays_for_all(10)
    assert not Budget(keys=9).pays_for_all(10)
    assert not Budget(tolerance=0.1).pays_for_all(10)


def test_a_tolerance_may_take_everything() -> None:
    assert Budget(tolerance=0.1).bytes(1000, 64, 32) == 1000 * 192


@given(st.floats(0.001, 1), st.integers(0, 9999), st.integers(0, 300), st.integers(0, 300))
def test_never_more_than_everything(fraction: float, keys: int, dim: int, value_dim: int) -> None:
    everything = 2 * keys * (dim + value_dim)
    assert 0 <= Budget(fraction=fraction).bytes(keys, dim, value_dim) <= everything
    assert 0 <= Budget(keys=50).bytes(keys, dim, value_dim) <= everything


def test_one_of_three() -> None:
    with pytest.raises(
        SpecError,
        match=r"takes one of fraction=, keys= and tolerance=, got none of them; give one, such as fraction=0.1",
    ):
        Budget()
    with pytest.raises(SpecError, match=r"got fraction=0.1 and keys=3"):
        Budget(fraction=0.1, keys=3)


@pytest.mark.parametrize("wrong", [0, 1.1, -0.1, float("nan"), float("inf"), "0.1", True, torch.tensor(0.1)])
def test_fractions(wrong: object) -> None:
    with pytest.raises(
        SpecError, match=r"Budget\(fraction=.*\): expected a share, above 0 and at most 1; give one, such as 0.1$"
    ):
        Budget(fraction=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "3", True])
def test_keys(wrong: object) -> None:
    with pytest.raises(
        SpecError, match=r"Budget\(keys=.*\): expected a whole number, at least 1; give one, such as 2048$"
    ):
        Budget(keys=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0, 1, -0.1, float("nan"), "0.1", True])
def test_tolerances(wrong: object) -> None:
    with pytest.raises(
        SpecError, match=r"Budget\(tolerance=.*\): expected a number above 0 and below 1; give one, such as 0.02$"
    ):
        Budget(tolerance=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [0.4, 1, float("nan"), None, "high"])
def test_confidence(wrong: object) -> None:
    with pytest.raises(
        SpecError, match=r"Budget\(confidence=.*\): expected a number from .5 to below 1; give one, such as 0.95$"
    ):
        Budget(tolerance=0.1, confidence=wrong)  # type: ignore[arg-type]


def test_policies() -> None:
    assert Budget(keys=3).policy == Focus()
    with pytest.raises(
        SpecError,
        match=r"expected a policy such as Focus\(\) or WindowSinks\(\); give one, or leave it out for Focus\(\)$",
    ):
        Budget(keys=3, policy="quest")  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"Budget\(policy=<class .*WindowSinks'>\): expected a policy"):
        Budget(keys=3, policy=WindowSinks)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match=r"tolerance=..., policy=WindowSinks\): only Focus\(\) can tell its error"):
        Budget(tolerance=0.1, policy=WindowSinks())


def test_a_budget_is_a_value() -> None:
    assert Budget(keys=3) == Budget(keys=3)
    assert Budget(keys=3) != Budget(keys=3, policy=WindowSinks())
    assert hash(Budget(fraction=0.1)) == hash(Budget(fraction=0.1))
    assert repr(Budget(keys=3, policy=WindowSinks(2))) == (
        "Budget(fraction=None, keys=3, tolerance=None, confidence=0.95, policy=WindowSinks(first=2))"
    )


@pytest.mark.parametrize("dtype", ROUNDING)
def test_a_tolerance_below_rounding_is_refused(dtype: torch.dtype) -> None:
    Budget(tolerance=0.02).check(dtype)
    Budget(keys=1).check(dtype)
    with pytest.raises(SpecError, match=r"below the error of .* itself.*ask for more, or compute in a wider dtype"):
        Budget(tolerance=ROUNDING[dtype] / 2).check(dtype)
