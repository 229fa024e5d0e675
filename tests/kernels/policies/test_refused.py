"""What no policy can do, and what some of them lack, in words that say what to pass."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.policies import POLICIES, spend
from regard.spec import (
    Additive,
    Budget,
    HeavyHitters,
    KernelError,
    ObservedWindow,
    Policy,
    Request,
    ShapeError,
    SpecError,
    WindowSinks,
    request,
)


class Unknown(Policy):
    """A policy that nobody wrote a kernel for."""


def asked(**more: object) -> Request:
    return request(torch.ones(2, 4, 3, 5), torch.ones(2, 2, 7, 5), torch.ones(2, 2, 7, 5), **more)  # type: ignore[arg-type]


def test_an_unknown_policy_names_those_there_are() -> None:
    with pytest.raises(KernelError, match=r"no kernel spends by Unknown; there are .*HeavyHitters, .*WindowSinks"):
        spend(asked(), Budget(keys=2, policy=Unknown()))
    assert Unknown not in POLICIES


def test_additive_scores() -> None:
    with pytest.raises(KernelError, match=r"WindowSinks reads keys by dot products, got the score Additive"):
        spend(asked(score=Additive(torch.ones(5))), Budget(keys=2, policy=WindowSinks()))


def test_dropout() -> None:
    with pytest.raises(KernelError, match=r"WindowSinks has no dropout, got dropout=0.5"):
        spend(asked(dropout=0.5), Budget(keys=2, policy=WindowSinks()))


def test_gradients() -> None:
    call = asked()
    call.query.requires_grad_()
    with pytest.raises(KernelError, match=r"no gradient: call it under torch.no_grad"):
        spend(call, Budget(keys=2, policy=WindowSinks()))
    with torch.no_grad():
        assert not spend(call, Budget(keys=2, policy=WindowSinks())).output.requires_grad


@pytest.mark.parametrize(("policy", "what"), [(HeavyHitters(), "all earlier"), (ObservedWindow(9), "the last 9")])
def test_received_is_asked_for(policy: Policy, what: str) -> None:
    with pytest.raises(
        SpecError, match=rf"received=None\): expected the mass each key got from {what} queries.*\(2, 2, 7\)"
    ):
        spend(asked(), Budget(keys=2, policy=policy))


@pytest.mark.parametrize(
    "policy", [HeavyHitters(received=torch.ones(2, 4, 7)), ObservedWindow(received=torch.ones(2, 2, 9))]
)
def test_received_of_another_shape(policy: Policy) -> None:
    with pytest.raises(ShapeError, match=r"expected \(batch, kv_heads, key_len\) = \(2, 2, 7\)"):
        spend(asked(), Budget(keys=2, policy=policy))
