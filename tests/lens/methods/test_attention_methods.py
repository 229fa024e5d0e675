"""Attention methods on a classifier of one layer whose weights are known, and on several layers against matrices."""

import math

import pytest
import torch
from tests.lens.layered import Layered, rollout, tokens
from torch import nn

from regard.lens.explain import ask, weigh
from regard.lens.flow import recorded


class Known(nn.Module):
    """Three vectors; the query of each place scores (0, ln 2, ln 5), so that its weights are 1/8, 2/8, 5/8. Their
    values are (1, 0), (0, 3), (0, -4), and the classes are what comes out at place 0."""

    def __init__(self):
        super().__init__()
        self.key = torch.tensor([[0.0], [math.log(2)], [math.log(5)]])[None, None]
        self.value = torch.tensor([[1.0, 0.0], [0.0, 3.0], [0.0, -4.0]])

    def forward(self, x):
        query = torch.ones(1, 1, 3, 1).expand(len(x), -1, -1, -1)
        key, value = self.key.expand(len(x), -1, -1, -1), (x * self.value)[:, None]
        return nn.functional.scaled_dot_product_attention(query, key, value, scale=1.0)[:, 0, 0]


def known(target=1):
    return ask(Known(), torch.ones(1, 3, 2), target)


def test_raw_attention_is_the_weights():
    for name in ("last attention", "mean attention"):
        assert weigh(known(), name).weights.tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])


def test_rollout_of_one_layer_is_half_attention_half_the_place_itself():
    assert weigh(known(), "rollout").weights.tolist() == pytest.approx([1 / 2 + 1 / 16, 1 / 8, 5 / 16])


def test_value_norms_weigh_by_the_size_of_what_is_moved():
    """1/8 of size 1, 2/8 of 3, 5/8 of 4: 1, 6 and 20 of 27."""
    assert weigh(known(), "value norms").weights.tolist() == pytest.approx([1 / 27, 6 / 27, 20 / 27])
    assert weigh(known(), "norm rollout").weights.tolist() == pytest.approx([0.5 + 0.5 / 27, 3 / 27, 10 / 27])


def test_gradient_attention_weighs_by_what_a_weight_is_worth_to_the_target():
    """The output is (1/8, 6/8 - 20/8) = (.125, -1.75). ln p of class 1 has the gradient (-p0, p0) there, so that a
    weight is worth p0 (-1, 3, -4) of its values: only the second's is above 0. Class 0: the first and the third."""
    first = 1 / (1 + math.exp(-1.875))
    assert weigh(known(1), "gradient attention").weights.tolist() == pytest.approx([0, 3 * first / 4, 0])
    other = 1 - first
    expected = [other / 8, 0, 4 * other * 5 / 8]
    assert weigh(known(0), "gradient attention").weights.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("length", [3, 17])
def test_several_layers_against_matrices(length):
    model, ids = Layered(heads=4, keys=2, place=1), tokens(length)
    matrices = model.matrices(ids)
    question = ask(model, ids, 2)
    expected = {
        "last attention": matrices[-1].mean(0)[1],
        "mean attention": torch.stack([one.mean(0)[1] for one in matrices]).mean(0),
        "rollout": rollout(matrices)[1],
    }
    for name, weights in expected.items():
        torch.testing.assert_close(weigh(question, name).weights, weights, rtol=1e-6, atol=1e-9)


def test_gradient_attention_through_layers_is_the_papers_recursion():
    """R = 1; R += Ā R layer by layer; the row of the place that is read, less the identity."""
    model, ids = Layered(place=1), tokens(7)
    x, kept = model.embedding(ids), []
    for layer in model.layers:
        weights = layer.weights(x)
        kept.append(weights)
        made = (weights @ layer.parts(x)[2][0]).transpose(0, 1).flatten(1)
        x = x + layer.out(made)[None]
    grads = torch.autograd.grad(model.classes(x[:, 1]).log_softmax(-1)[0, 2], kept)
    relevance = torch.eye(7, dtype=torch.float64)
    for weights, grad in zip(kept, grads, strict=True):
        relevance = relevance + (weights * grad).clamp(min=0).mean(0).detach() @ relevance
    expected = relevance[1].clone()
    expected[1] -= 1
    found = weigh(ask(model, ids, 2), "gradient attention").weights
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)  # ln p is worked out in float32


def test_what_special_tokens_received_is_left_out():
    model, ids = Layered(place=1), tokens(5)
    weights = model.matrices(ids)[-1].mean(0)[1]
    found = weigh(ask(model, ids, fixed=[0, 4]), "last attention")
    torch.testing.assert_close(found.weights, weights[1:4], rtol=1e-6, atol=1e-9)


def test_how_says_layers_heads_and_where_it_was_read():
    question = ask(Layered(layers=2, place=1), tokens(5))
    how = weigh(question, "rollout").how
    assert "through 2 layers" in how
    assert "gradient reaches" in how
    assert "output projection" in weigh(question, "value norms").how
    assert len(recorded(question.attention).calls) == 2
