"""The dense kernel is where the other kernels' true gradients come from; so here it is held against truths of its own:
torch's finite differences, finite differences of the NumPy reference, and the softmax's gradient written by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests import cases
from tests.by_hand import hold_slopes
from tests.comparison import rebuilt, truth
from torch import Tensor

from regard.kernels import dense, reference
from regard.spec import request

SMALL_MASKS = ("no mask", "padded keys and queries", "not documents, or padded causal")


@pytest.mark.parametrize("mask", SMALL_MASKS)
@pytest.mark.parametrize("score", cases.scores(torch.float64))
def test_gradients_are_torchs_finite_differences(score: str, mask: str) -> None:
    asked = cases.asked(score, mask, "all at once")

    def run(*tensors: Tensor) -> tuple[Tensor, Tensor]:
        output, lse = dense.run(rebuilt(asked, tensors))
        return output, torch.where(torch.isfinite(lse), lse, 0.0)

    # fast mode: one random direction through all inputs, in float64 to about 1e-6
    inputs = tuple(t.detach().to(torch.float64).requires_grad_() for t in asked.tensors())
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


@pytest.mark.parametrize("bias", cases.biases(torch.float64))
@pytest.mark.parametrize("score", ["scaled", "softcap", "cosine a head", "general", "additive a head", "tanh a head"])
def test_gradients_are_finite_differences_of_the_reference(score: str, bias: str) -> None:
    """No torch at all in the truth: NumPy's outputs, moved a little along one random direction."""
    hold_slopes(cases.asked(score, "causal but not near", bias))


def test_gradients_are_those_of_the_softmax_by_hand() -> None:
    """Three lines of calculus: dV = Pᵀ dO; dS = P ∘ (dP - rowsum(P ∘ dP)) with dP = dO Vᵀ; dQ = dS K / √d."""
    asked = cases.asked("scaled", "causal")
    true = truth(asked)
    weights = reference.steps(asked).weights
    q, k, v = (t.detach().numpy() for t in (asked.query, asked.key, asked.value))
    k, v = np.repeat(k, 2, axis=1), np.repeat(v, 2, axis=1)
    upstream = true.upstream[0].numpy()
    to_weights = upstream @ v.swapaxes(-1, -2)
    to_scores = weights * (to_weights - (weights * to_weights).sum(-1, keepdims=True)) / np.sqrt(cases.DIM)

    def shared(x: np.ndarray) -> np.ndarray:  # query heads 2h and 2h + 1 read key head h
        return x[:, 0::2] + x[:, 1::2]

    by_hand = (
        to_scores @ k,
        shared(to_scores.swapaxes(-1, -2) @ q),
        shared(weights.swapaxes(-1, -2) @ upstream),
    )
    assert true.from_output is not None
    for got, want in zip(true.from_output, by_hand, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-12, atol=1e-13)


def test_second_derivatives_exist_in_dense_alone() -> None:
    q, k, v = (t.detach()[:1, :3, :3].requires_grad_() for t in cases.inputs(torch.float64))
    v = v[..., :2].detach().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda *x: dense.run(request(*x))[0], (q, k, v), fast_mode=True)
