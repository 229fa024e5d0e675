"""AdditiveAttention: Bahdanau's formula, worked by hand and entry by entry."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn import AdditiveAttention
from regard.spec import Causal, MaskError, Padding, ShapeError, SpecError

BATCH, QUERIES, KEYS, QUERY_DIM, CONTEXT_DIM, HIDDEN = 2, 3, 5, 7, 11, 13


def made(**arguments: float) -> AdditiveAttention:
    return AdditiveAttention(QUERY_DIM, CONTEXT_DIM, HIDDEN, **arguments).double()


def tensors() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(BATCH, QUERIES, QUERY_DIM, dtype=torch.float64)
    return x, torch.randn(BATCH, KEYS, CONTEXT_DIM, dtype=torch.float64)


def test_two_keys_by_hand() -> None:
    layer = AdditiveAttention(1, 1, 1)
    with torch.no_grad():
        for weight in (layer.query.weight, layer.key.weight, layer.vector):
            weight.fill_(1.0)
        layer.key.bias.fill_(0.5)
    # query 1, keys 0 and -1.5: scores tanh(1 + 0 + .5) and tanh(1 - 1.5 + .5) = tanh(0) = 0
    first = math.exp(math.tanh(1.5))
    want = (first * 0.0 + 1.0 * -1.5) / (first + 1.0)
    out = layer(torch.tensor([[[1.0]]]), torch.tensor([[[0.0], [-1.5]]]))
    assert out.item() == pytest.approx(want, rel=1e-5)


def test_it_is_the_formula() -> None:
    layer, (x, context) = made(), tensors()
    both = layer.query(x)[:, :, None] + layer.key(context)[:, None]
    weights = (torch.tanh(both) @ layer.vector).softmax(-1)
    torch.testing.assert_close(layer(x, context), weights @ context)
    values = torch.randn(BATCH, KEYS, 2, dtype=torch.float64)
    torch.testing.assert_close(layer(x, context, values=values), weights @ values)


def test_masks_and_padding() -> None:
    layer, (x, context) = made(), tensors()
    padded = layer(x, context, mask=Padding(torch.tensor([4, 0])))
    torch.testing.assert_close(padded[:1], layer(x[:1], context[:1, :4]))
    assert torch.equal(padded[1], torch.zeros_like(padded[1]))
    seen = layer(x, context, mask=Causal(), query_start=0)
    torch.testing.assert_close(seen[:, 0], context[:, 0])


def test_gradients_reach_every_parameter() -> None:
    layer, (x, context) = made(), tensors()
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x: torch.Tensor, context: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, context))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), context.requires_grad_(), *values), fast_mode=True)
    layer(x, context).square().sum().backward()
    assert all(value.grad is not None and value.grad.abs().max() > 0 for value in layer.parameters())


def test_dropout_acts_in_training_alone_and_state_is_kept() -> None:
    layer, (x, context) = made(dropout=0.4), tensors()
    assert not torch.equal(layer(x, context), layer(x, context))
    other = made().eval()
    other.load_state_dict(layer.state_dict())
    assert torch.equal(layer.eval()(x, context), other(x, context))


def test_bad_arguments() -> None:
    layer, (x, context) = made(), tensors()
    with pytest.raises(ShapeError, match=r"AdditiveAttention: context: got .* expected \(batch, len, 11\)"):
        layer(x, x)
    with pytest.raises(ShapeError, match="a value for each context token"):
        layer(x, context, values=context[:, 1:])
    with pytest.raises(MaskError, match="lengths must lie in"):
        layer(x, context, mask=Padding(torch.tensor([6, 1])))
    with pytest.raises(SpecError, match="hidden=0"):
        AdditiveAttention(3, 5, 0)
