import math
from dataclasses import replace

import pytest
import torch
from tests.lens.sums import linear_question
from torch import nn

from regard.lens.question import Attention, Gradients, Way
from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError


def test_scores_are_the_ways_on_what_is_kept():
    question = linear_question((2.0, -1.0, 0.0))
    keep = torch.tensor([[True, True, True], [False, True, True], [True, False, False]])
    expected = [math.log(1 / (1 + math.exp(-total))) for total in (1.0, -1.0, 2.0)]
    found = question.scores(keep)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    torch.testing.assert_close(question.scores(keep, "delete"), found)


def test_rows_go_through_the_model_a_few_at_a_time():
    seen = []

    def score(keep):
        seen.append(len(keep))
        return keep.sum(-1)

    question = replace(linear_question(), ways={"mask": Way("gone", score)}, together=3)
    found = question.scores(torch.ones(7, 3, dtype=torch.bool))
    assert (seen, found.tolist()) == ([3, 3, 1], [3.0] * 7)
    assert question.scores(torch.ones(0, 3, dtype=torch.bool)).shape == (0,)


def test_the_first_way_is_the_default_one():
    question = linear_question()
    assert (question.default, question.way().words, question.way("delete").words) == (
        "mask",
        "replaced by nothing",
        "left out",
    )
    with pytest.raises(SpecError, match="'blur': this question has mask, delete"):
        question.way("blur")


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (torch.ones(2, 3), "expected a bool tensor"),
        (torch.ones(3, dtype=torch.bool), "expected a bool tensor"),
        (torch.ones(2, 4, dtype=torch.bool), "keep of 4 units.*has 3"),
        ([[True, True, True]], "expected a bool tensor"),
    ],
)
def test_other_keeps_are_refused(keep, message):
    with pytest.raises(ShapeError, match=message):
        linear_question().scores(keep)


def test_questions_that_make_no_sense_are_refused():
    question = linear_question()
    with pytest.raises(SpecError, match="without units"):
        replace(question, units=Units((), "token"))
    with pytest.raises(SpecError, match="needs a way"):
        replace(question, ways={})
    with pytest.raises(SpecError, match="from 0 to 1"):
        replace(question, probability=1.2)
    with pytest.raises(SpecError, match="1 row"):
        replace(question, together=0)


def test_attention_names_units_that_are_there():
    attention = Attention(nn.Identity(), lambda: torch.zeros(1), torch.tensor([-1, 0, 3]))
    with pytest.raises(ShapeError, match="unit 3, but there are 3"):
        replace(linear_question(), attention=attention)
    with pytest.raises(ShapeError, match="int64"):
        Attention(nn.Identity(), lambda: torch.zeros(1), torch.tensor([0.0]))
    with pytest.raises(ShapeError, match="1 in all"):
        Attention(nn.Identity(), lambda: torch.zeros(1), torch.tensor([0]), torch.tensor([0.7, 0.2]))


def test_gradients_are_of_one_input_and_its_baseline():
    leaf = torch.zeros(1, 3, 2)
    with pytest.raises(ShapeError, match="one input"):
        Gradients(torch.zeros(2, 3), torch.zeros(2, 3), torch.sum, torch.sum)
    with pytest.raises(ShapeError, match="leaf's shape"):
        Gradients(leaf, torch.zeros(1, 3), torch.sum, torch.sum)
