"""Gradients, integrals and occlusion: one and the same on a linear score, held against captum and sums by hand."""

import math
from dataclasses import replace

import pytest
import torch
from tests.lens.layered import Layered, tokens
from tests.lens.sums import linear_question
from tests.optional_packages import package

from regard.lens.explain import ask, weigh
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.methods import METHODS, Asking, method_named
from regard.lens.units import Units
from regard.spec.errors import MissingExtraError, SpecError

LEAF = torch.tensor([[1.0, 2.0, -1.0, 3.0, 0.5, 1.0, 2.0]])
SLOPES = torch.tensor([0.5, -1.0, 2.0, 0.0, 4.0, -3.0, 0.25])
CELLS = torch.tensor([0, 1, 1, 2, 3, 3, -1])
EXPECTED = [0.5, -2.0 - 2.0, 0.0, 2.0 - 3.0]  # value times slope, added up over each unit


def numbers(score):
    return leaf_question(
        LeafInput(
            leaf=LEAF,
            cells=CELLS,
            units=Units(("a", "b", "c", "d"), "feature"),
            target="sum",
            score=score,
            fills={"zero": ("made 0", torch.zeros_like(LEAF))},
        )
    )


def linear(leaf):
    return (leaf * SLOPES).sum(-1) - 9.0


@pytest.fixture
def captum():
    return package("captum.attr", "regard[explain]")


@pytest.mark.usefixtures("captum")
@pytest.mark.parametrize("name", ["gradient x input", "integrated gradients", "occlusion"])
def test_on_a_linear_score_all_three_are_value_times_slope(name):
    assert weigh(numbers(linear), name).weights.tolist() == pytest.approx(EXPECTED, abs=1e-5)


@pytest.mark.usefixtures("captum")
def test_a_product_tells_them_apart():
    """ln p = -x y at (1, 2) of units a and b: each gradient times its input is -2, so is each occlusion; the integral
    shares the -2 between the two."""

    def product(leaf):
        return -(leaf[:, 0] * leaf[:, 1])

    weights = {name: weigh(numbers(product), name).weights[:2].tolist() for name in ("gradient x input", "occlusion")}
    assert weights == {"gradient x input": [-2.0, -2.0], "occlusion": [-2.0, -2.0]}
    assert weigh(numbers(product), "integrated gradients").weights[:2].tolist() == pytest.approx([-1.0, -1.0], abs=1e-4)


@pytest.mark.usefixtures("captum")
def test_of_a_number_that_is_forecast_sizes_count():
    question = numbers(linear)
    unsigned = replace(question, gradients=replace(question.gradients, signed=False))
    for name in ("gradient x input", "integrated gradients"):
        assert weigh(unsigned, name).weights.tolist() == pytest.approx([abs(one) for one in EXPECTED], abs=1e-5)


def test_integrated_gradients_are_captums(captum):
    model, ids = Layered(place=1), tokens(9)
    question = ask(model, ids, 2)
    ready = question.gradients
    method = captum.IntegratedGradients(lambda x: model_on(model, x)[:, 2])
    expected, gap = method.attribute(ready.leaf, baselines=ready.baseline, n_steps=64, return_convergence_delta=True)
    found = weigh(question, "integrated gradients", Asking(steps=64))
    torch.testing.assert_close(found.weights, expected.sum(-1)[0], rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        moved = float((ready.score(ready.leaf) - ready.score(ready.baseline)).sum())
    assert "over 64 steps from the vocabulary's mean to the embeddings" in found.how
    assert f"the weights miss {abs(float(gap)) / abs(moved):.1%} of" in found.how


def model_on(model, x):
    """ln p of each class, from embeddings."""
    for layer in model.layers:
        x = layer(x)
    return model.classes(x[:, model.place]).float().log_softmax(-1)


@pytest.mark.usefixtures("captum")
def test_completeness_the_weights_add_up_to_what_the_score_moved():
    question = ask(Layered(place=0), tokens(6), 1)
    found = weigh(question, "integrated gradients")
    ready = question.gradients
    with torch.no_grad():
        moved = float((ready.score(ready.leaf) - ready.score(ready.baseline)).sum())
    assert float(found.weights.sum()) == pytest.approx(moved, rel=0.021)
    coarse = weigh(question, "integrated gradients", Asking(steps=1)).how
    assert "over 1 steps" in coarse


def test_without_captum_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setattr("regard.spec.extra.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'regard\[explain\]'"):
        weigh(numbers(linear), "integrated gradients")


def test_occlusion_takes_each_unit_away_alone():
    """Worth 2, -1, 0 of a sum of 1: ln sigmoid falls from that of 1 to that of -1, 2 and 1."""
    found = weigh(linear_question((2.0, -1.0, 0.0)), "occlusion")
    log = [math.log(1 / (1 + math.exp(-total))) for total in (1.0, -1.0, 2.0, 1.0)]
    assert found.weights.tolist() == pytest.approx([log[0] - one for one in log[1:]])
    assert "replaced by nothing" in found.how
    assert "left out" in weigh(linear_question(), "occlusion", Asking(way="delete")).how


def test_occlusion_of_more_units_than_rows_that_are_laid_out_at_once(monkeypatch):
    from regard.lens.methods import occlusion

    expected = weigh(linear_question((2.0, -1.0, 0.0, 3.0, 1.0)), "occlusion").weights
    monkeypatch.setattr(occlusion, "_ROWS", 2)
    assert torch.equal(weigh(linear_question((2.0, -1.0, 0.0, 3.0, 1.0)), "occlusion").weights, expected)


def test_the_table_names_each_method_once_with_its_paper():
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names) == 9
    assert all("arXiv" in method.paper or "practice" in method.paper for method in METHODS)
    assert all(method.cost(10) >= 1 for method in METHODS)
    with pytest.raises(SpecError, match="'lime': expected 'best' or one of 'last attention'"):
        method_named("lime")


def test_asking_is_checked():
    for wrong in (0, -3, 2.0, True):
        with pytest.raises(SpecError, match="steps="):
            Asking(steps=wrong)
    with pytest.raises(SpecError, match="gap="):
        Asking(gap=0.0)
