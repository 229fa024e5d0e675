"""HeldSpec: which tensors are trained, which are kept, which are shared."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from regard.nn import HeldSpec
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Bias,
    Cosine,
    General,
    RelativeBias,
    ScaledDot,
    Score,
    SinkLogits,
    TensorBias,
)


@pytest.mark.parametrize(
    ("given", "trained", "kept"),
    [
        (ScaledDot(softcap=3.0), [], []),
        (Cosine(2.0), [], []),
        (Cosine(torch.ones(3)), ["scale"], []),
        (General(torch.ones(5, 7)), ["weight"], []),
        (Additive(torch.ones(5)), ["vector"], []),
        (ActivatedDot(torch.ones(5), torch.ones(3), "relu"), ["key_vector", "bias"], []),
        (ActivatedDot(torch.ones(5), 0.5), ["key_vector"], []),
        (RelativeBias(torch.ones(3, 5)), ["table"], []),
        (SinkLogits(torch.ones(3)), ["per_head"], []),
        (ALiBi.for_heads(3), [], ["slopes"]),
        (ALiBi(nn.Parameter(torch.ones(3))), ["slopes"], []),
        (TensorBias(torch.ones(5, 7)), [], ["values"]),
    ],
)
def test_what_is_trained_and_what_is_kept(given: Score | Bias, trained: list[str], kept: list[str]) -> None:
    held = HeldSpec(given)
    assert [name for name, _ in held.named_parameters()] == trained
    assert [name for name, _ in held.named_buffers()] == kept
    assert held.value() == given
    assert type(held.value()) is type(given)


def test_a_plain_tensor_is_copied_and_a_parameter_is_shared() -> None:
    plain, shared = torch.ones(5), nn.Parameter(torch.ones(5))
    first, second = HeldSpec(Additive(plain)), HeldSpec(Additive(shared))
    with torch.no_grad():
        first.vector.add_(1.0)
    assert torch.equal(plain, torch.ones(5))
    assert second.vector is shared
    assert HeldSpec(Additive(shared)).vector is shared


def test_the_value_follows_steps_moves_and_copies() -> None:
    held = HeldSpec(SinkLogits(torch.zeros(3)))
    held.value().per_head.sum().backward()
    torch.optim.SGD(held.parameters(), lr=0.5).step()  # gradient 1, rate 0.5
    assert held.value().per_head.tolist() == [-0.5] * 3
    assert held.double().value().per_head.dtype == torch.float64
    other = copy.deepcopy(held)
    with torch.no_grad():
        other.per_head.zero_()
    assert held.value().per_head.tolist() == [-0.5] * 3


def test_it_says_what_it_holds() -> None:
    assert repr(HeldSpec(ScaledDot(softcap=3.0))) == "HeldSpec(ScaledDot(scale=None, softcap=3.0))"
    assert "per_head=<float32 (3,)>" in repr(HeldSpec(SinkLogits(torch.zeros(3))))
