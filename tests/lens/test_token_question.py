from dataclasses import replace

import pytest
import torch
from torch import nn

from regard.lens.put import Embedding
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.spec.errors import ShapeError


class Bag(nn.Module):
    """ln p = ln sigmoid of the sum of the tokens' worth, which is their one-dimensional vector; keeps what it read."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(8, 1)
        self.embedding.weight.data = torch.tensor([0.0, 0.5, -1.0, 2.0, 0.25, 1.0, 0.0, 4.0])[:, None]
        self.read = []

    def forward(self, ids, present):
        self.read += [row[there].tolist() for row, there in zip(ids, present, strict=True)]
        return nn.functional.logsigmoid((self.embedding(ids)[..., 0] * present).sum(-1))


def given(**more):
    """The ids 7 (a class token that stays), 3, 2, 5; 3 and 2 are one unit, 5 another."""
    model = Bag()
    fields = {
        "ids": torch.tensor([[7, 3, 2, 5]]),
        "units": Units(("three two", "five"), "word"),
        "tokens": torch.tensor([-1, 0, 0, 1]),
        "target": "yes",
        "score": model,
        "model": model,
        "embedding": Embedding(model.embedding),
        "replacement": (1, "<unknown>"),
        "mean": torch.tensor([0.75]),
    }
    return model, TokenInput(**fields | more)


KEEP = torch.tensor([[True, True], [False, True], [True, False], [False, False]])


def worth(*sums):
    return nn.functional.logsigmoid(torch.tensor(sums, dtype=torch.float64))


@pytest.mark.parametrize(
    ("way", "sums"),
    [  # the whole is 4 + 2 - 1 + 1 = 6
        ("mask", (6.0, 4 + 0.5 + 0.5 + 1, 4 + 2 - 1 + 0.5, 4 + 1.5)),
        ("delete", (6.0, 5.0, 5.0, 4.0)),
        ("zero", (6.0, 5.0, 5.0, 4.0)),
        ("mean", (6.0, 4 + 1.5 + 1, 4 + 1 + 0.75, 4 + 2.25)),
    ],
)
def test_each_way_by_hand(way, sums):
    _, one = given()
    torch.testing.assert_close(token_question(one).scores(KEEP, way), worth(*sums), rtol=1e-6, atol=1e-7)


def test_left_out_tokens_leave_a_shorter_input():
    model, one = given()
    question = token_question(one)
    model.read.clear()
    question.scores(KEEP, "delete")
    assert model.read == [[7, 3, 2, 5], [7, 5], [7, 3, 2], [7]]


def test_where_nothing_is_left_one_token_that_stands_for_no_word_is():
    model, one = given(tokens=torch.tensor([0, 0, 0, 1]))
    question = token_question(one)
    model.read.clear()
    question.scores(KEEP[3:], "delete")
    model2, two = given(tokens=torch.tensor([0, 0, 0, 1]), replacement=None, padding=6)
    other = token_question(two)
    model2.read.clear()
    other.scores(KEEP[3:], "delete")
    assert (model.read, model2.read) == ([[1]], [[6]])


def test_tokens_of_other_inputs_are_drawn_once():
    model, one = given(others=torch.tensor([4, 4, 4]))
    question = token_question(one)
    model.read.clear()
    question.scores(KEEP, "other")
    assert model.read[1] == [7, 4, 4, 5]
    drawn = [token_question(given(others=torch.arange(8), seed=seed)[1]) for seed in (0, 0, 1, 2, 3)]
    found = [tuple(each.scores(KEEP[3:], "other").tolist()) for each in drawn]
    assert found[0] == found[1]
    assert len(set(found)) > 1


def test_what_is_not_there_is_no_way():
    _, one = given()
    assert list(token_question(one).ways) == ["mask", "delete", "zero", "mean"]
    bare = replace(one, replacement=None, moves=False, mean=None)
    assert list(token_question(bare).ways) == ["zero"]


def test_gradients_reach_each_unit_and_not_what_stays():
    """The score's slope at 6 is sigmoid(-6) for each token's worth: times it, 1 for "three two" and 1 for "five"."""
    _, one = given()
    ready = token_question(one).gradients
    leaf = ready.leaf.clone().requires_grad_()
    (slope,) = torch.autograd.grad(ready.score(leaf).sum(), leaf)
    found = ready.to_units(ready.leaf * slope)
    torch.testing.assert_close(found, torch.sigmoid(torch.tensor([-6.0])).double().expand(2), rtol=1e-5, atol=1e-9)
    assert ready.baseline[0, :, 0].tolist() == [4.0, 0.5, 0.5, 0.5]
    assert ready.from_ == "<unknown> in the place of every unit"


def test_the_baseline_is_the_vocabularys_mean_else_zeros():
    _, one = given(replacement=None)
    assert token_question(one).gradients.baseline[0, :, 0].tolist() == [4.0, 0.75, 0.75, 0.75]
    zeros = token_question(replace(one, mean=None)).gradients
    assert (zeros.baseline[0, :, 0].tolist(), zeros.from_) == ([4.0, 0.0, 0.0, 0.0], "zeros")


def test_one_input_at_a_time():
    with pytest.raises(ShapeError, match="one input"):
        given(ids=torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(ShapeError, match=r"3.*places, but there are 4 ids"):
        given(tokens=torch.tensor([-1, 0, 0]))
