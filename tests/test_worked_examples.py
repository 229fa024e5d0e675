"""The worked examples that people learn attention from, number by number, on every kernel that can do them."""

from __future__ import annotations

import math

import pytest
import torch
from tests.cases import TABLE
from torch import Tensor

import regard
from regard.kernels import reference
from regard.spec import ActivatedDot, Dot, ScaledDot, Score, request


def kernels(score: type[Score], *, curved: bool = False) -> list[str | None]:
    """None (the planner's choice) and every row that knows this score."""
    return [None, *(row.name for row in TABLE if score in row.scores and (row.curved or not curved))]


def weights(x: Tensor, score: Score) -> Tensor:
    """The matrix of weights of self-attention over `x` (length, dim)."""
    return torch.from_numpy(reference.steps(request(*(x[None, None],) * 3, score=score)).weights[0, 0])


@pytest.mark.parametrize("kernel", kernels(ScaledDot))
def test_one_query_and_two_equal_keys(kernel: str | None) -> None:
    """Query 0.5, keys (1, 1), values (1, 2): both score 0.5, weigh 0.5, and the output is 1.5."""
    q, k, v = torch.tensor([[0.5]]), torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [2.0]])
    assert regard.attend(q, k, v, kernel=kernel).tolist() == [[1.5]]
    steps = reference.steps(request(q[None, None], k[None, None], v[None, None]))
    assert steps.scores.tolist() == [[[[0.5, 0.5]]]]
    assert steps.weights.tolist() == [[[[0.5, 0.5]]]]


@pytest.mark.parametrize("kernel", kernels(ActivatedDot, curved=True))
def test_cat_dog_pig(kernel: str | None) -> None:
    """One-hot words, weights ~ exp(sigmoid(q · k + u · h + b)) with u = 0 and b = 0.

    A word scores sigmoid(1) = .731 with itself and sigmoid(0) = .5 with each other; exp gives 2.077 and 1.649; so it
    weighs 2.077 / (2.077 + 2 x 1.649) = .386 and each other .307. The published .6 does not follow from the formula:
    even without the sigmoid it is e / (e + 2) = .576.
    """
    words, score = torch.eye(3, dtype=torch.float64), ActivatedDot(torch.zeros(3, dtype=torch.float64))
    own, other = math.exp(1 / (1 + math.exp(-1))), math.exp(0.5)
    want = torch.full((3, 3), other / (own + 2 * other), dtype=torch.float64).fill_diagonal_(own / (own + 2 * other))
    torch.testing.assert_close(weights(words, score), want)
    assert [round(x, 3) for x in want[0].tolist()] == [0.386, 0.307, 0.307]
    # the values are the same one-hot words, so the output is the weights themselves
    torch.testing.assert_close(regard.attend(words, words, words, score=score, kernel=kernel), want)
    assert round(float(weights(words, Dot())[0, 0]), 3) == 0.576


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "relu", "identity"])
def test_cat_dog_pig_with_other_activations(activation: str) -> None:
    """The cat's own score: .731, .762, 1, 1; the others': .5, 0, 0, 0."""
    own, other = {"sigmoid": (1 / (1 + math.exp(-1)), 0.5), "tanh": (math.tanh(1), 0.0)}.get(activation, (1.0, 0.0))
    score = ActivatedDot(torch.zeros(3, dtype=torch.float64), activation=activation)
    found = weights(torch.eye(3, dtype=torch.float64), score)
    assert float(found[0, 0]) == pytest.approx(math.exp(own) / (math.exp(own) + 2 * math.exp(other)))
    assert float(found[0, 1]) == pytest.approx(math.exp(other) / (math.exp(own) + 2 * math.exp(other)))


@pytest.mark.parametrize("kernel", kernels(ScaledDot))
def test_query_key_value_of_1_5_8(kernel: str | None) -> None:
    """Three tensors (1, 5, 8): softmax over the last axis, of scores divided by √8, times the values."""
    source = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, 5, 8, generator=source) for _ in range(3))
    output = regard.attend(q, k, v, kernel=kernel)
    assert output.shape == (1, 5, 8)
    textbook = torch.softmax(q @ k.transpose(-2, -1) / math.sqrt(8), dim=-1) @ v
    torch.testing.assert_close(output, textbook)


@pytest.mark.parametrize("kernel", kernels(ScaledDot))
def test_a_sentence_of_four_words(kernel: str | None) -> None:
    """我 喜欢 吃 苹果: a 4 x 4 matrix of weights; with these vectors, each entry by hand.

    The vectors (scaled by √2 · √ln 2, so that each dot product over √dim counts as many powers of two) are
    我 (1, 0), 喜欢 (0, 1), 吃 (1, 1), 苹果 (1, -1). Dot products: 1 0 1 1 / 0 1 1 -1 / 1 1 2 0 / 1 -1 0 2.
    """
    unit = math.sqrt(math.sqrt(2) * math.log(2))
    words = unit * torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    powers = torch.tensor([[2, 1, 2, 2], [1, 2, 2, 0.5], [2, 2, 4, 1], [2, 0.5, 1, 4]], dtype=torch.float64)
    want = powers / torch.tensor([[7.0], [5.5], [9.0], [7.5]], dtype=torch.float64)
    found = weights(words, ScaledDot())
    torch.testing.assert_close(found, want)
    torch.testing.assert_close(found.sum(-1), torch.ones(4, dtype=torch.float64))
    torch.testing.assert_close(regard.attend(words, words, words, kernel=kernel), want @ words)
