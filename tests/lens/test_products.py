import pytest
import torch
from tests.lens.layered import Layered, tokens
from torch import nn

from regard.lens.flow import recorded
from regard.lens.products import carried, carried_by_gradient, carried_by_norm
from regard.lens.question import Attention
from regard.spec.errors import SpecError


def calls(model, ids, **more):
    return recorded(Attention(model, lambda: model(ids)[:, 1], torch.arange(ids.shape[1])), **more).calls


def drawn(length):
    return torch.rand(length, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("length", [1, 5, 131])
@pytest.mark.parametrize(("heads", "keys", "causal"), [(3, 3, False), (4, 2, True)])
def test_a_vector_times_the_mean_over_heads(length, heads, keys, causal):
    model, ids = Layered(heads=heads, keys=keys, causal=causal), tokens(length)
    mass = drawn(length)
    for call, weights in zip(calls(model, ids), model.matrices(ids), strict=True):
        torch.testing.assert_close(carried(call, mass), mass @ weights.mean(0))


def test_queries_without_mass_are_not_looked_at():
    model, ids = Layered(), tokens(9)
    (call, *_), (weights, *_) = calls(model, ids), model.matrices(ids)
    mass = torch.zeros(9, dtype=torch.float64)
    assert carried(call, mass).tolist() == [0.0] * 9
    mass[torch.tensor([2, 7])] = torch.tensor([0.25, 3.0], dtype=torch.float64)
    torch.testing.assert_close(carried(call, mass), 0.25 * weights.mean(0)[2] + 3 * weights.mean(0)[7])


@pytest.mark.parametrize("length", [1, 5, 67])
@pytest.mark.parametrize(("heads", "keys", "causal"), [(3, 3, False), (4, 2, True)])
def test_weights_times_their_gradients_as_autograd_has_them(length, heads, keys, causal):
    """The model once more with its weights as matrices that have gradients: Ā = mean over heads of (A ⊙ ∇A)+."""
    model, ids = Layered(heads=heads, keys=keys, causal=causal), tokens(length)
    x, kept = model.embedding(ids), []
    for layer in model.layers:
        weights = layer.weights(x)
        value = layer.parts(x)[2].repeat_interleave(heads // keys, 1)
        kept.append(weights)
        x = x + layer.out((weights @ value[0]).transpose(0, 1).flatten(1))[None]
    grads = torch.autograd.grad(model.classes(x[:, 0])[:, 1].sum(), kept)
    mass = drawn(length)
    for call, weights, grad in zip(calls(model, ids, gradients=True), kept, grads, strict=True):
        expected = mass @ (weights * grad).clamp(min=0).mean(0)
        torch.testing.assert_close(carried_by_gradient(call, mass), expected.detach())


def test_gradients_must_have_been_recorded():
    (call, *_) = calls(Layered(), tokens(4))
    with pytest.raises(SpecError, match=r"layers.0 was recorded without gradients"):
        carried_by_gradient(call, drawn(4))


@pytest.mark.parametrize("length", [1, 5, 131])
@pytest.mark.parametrize(("heads", "keys", "causal"), [(3, 3, False), (4, 2, True)])
def test_sizes_of_what_each_key_adds_to_each_query(length, heads, keys, causal):
    """‖Σ_h α_h v_h W_h‖ by hand, each query's sizes as shares."""
    model, ids = Layered(heads=heads, keys=keys, causal=causal), tokens(length)
    mass, x = drawn(length), model.embedding(ids)
    for call, layer in zip(calls(model, ids, values=True), model.layers, strict=True):
        weights = layer.weights(x)
        value = layer.parts(x)[2][0].repeat_interleave(heads // keys, 0)  # (heads, n, size)
        moved = torch.einsum("hkd,hdo->hko", value, layer.out.weight.mT.reshape(heads, layer.size, -1))
        sizes = torch.einsum("hqk,hko->qko", weights, moved).norm(dim=-1)
        expected = mass @ (sizes / sizes.sum(-1, keepdim=True))
        # squares of differences lose half of float32's digits
        torch.testing.assert_close(carried_by_norm(call, mass), expected.detach(), rtol=1e-4, atol=1e-6)
        x = layer(x)


def test_without_a_projection_heads_lie_side_by_side():
    """Value vectors (3, 4) and (0, 1) of one head: sizes 5 and 1; weights .5 .5 give shares 5/6 and 1/6."""

    class Model(nn.Module):
        def forward(self, x):
            return nn.functional.scaled_dot_product_attention(torch.zeros_like(x), torch.zeros_like(x), x)

    model, x = Model(), torch.tensor([[[[3.0, 4.0], [0.0, 1.0]]]])
    run = Attention(model, lambda: model(x).sum((1, 2, 3)), torch.arange(2), torch.tensor([1.0, 0.0]))
    (call,) = recorded(run, values=True).calls
    assert call.projection is None
    assert carried_by_norm(call, torch.tensor([1.0, 0.0]).double()).tolist() == pytest.approx([5 / 6, 1 / 6])
