import pytest
import torch
from tests.lens.questions import added

from regard.lens.evidenced import evidenced, sampled
from regard.lens.explain import weigh
from regard.lens.methods import METHODS, Asking
from regard.spec.errors import SpecError

SHARES = [0.0, 0.4, 0.0, 0.2, 0.0, 0.1]


def test_an_explanation_carries_what_was_measured_of_it():
    question = added(SHARES, ways=("mask", "zero"))
    found = evidenced(question, weigh(question, "occlusion"), ways=("zero",), draws=3)
    assert found.method == found.evidence.method == "occlusion"
    assert torch.equal(found.weights, weigh(question, "occlusion").weights)
    assert [one.way for one in found.evidence.here] == ["zero"]
    assert len(found.evidence.here[0].drawn) == 3


def test_a_sample_is_asked_one_after_the_other_and_each_input_has_its_own_random_orders():
    asked = []

    def questions():
        for turn in range(4):
            asked.append(turn)
            yield added(SHARES)

    found = sampled(questions(), "occlusion", draws=2)
    first = next(found)
    assert asked == [0]
    rest = list(found)
    assert asked == [0, 1, 2, 3]
    assert len({one.drawn for one in (first, *rest)}) > 1
    assert first.left["occlusion"][0] == pytest.approx(0.8 - 0.4)
    question = added(SHARES, ways=("mask", "zero"))
    assert [one.way for one in sampled([question], "occlusion", asking=Asking(way="zero"))] == ["zero"]


def test_a_method_that_a_question_cannot_be_answered_by():
    needs = next(method.name for method in METHODS if "attention" in method.needs)
    with pytest.raises(SpecError, match="cannot be reached"):
        list(sampled([added(SHARES)], needs))
