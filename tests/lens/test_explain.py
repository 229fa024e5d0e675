import pytest
import torch
from tests.lens.layered import Layered, tokens
from tests.lens.sums import linear_question
from torch import nn

from regard.lens import explain as module
from regard.lens.explain import ask, explain, weigh
from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError


def test_one_call_on_any_module():
    model, ids = Layered(place=0), tokens(6)
    found = explain(model, ids, 2, method="rollout")
    assert (found.method, found.target, len(found.weights)) == ("rollout", "2", 6)
    assert found.probability == pytest.approx(model(ids).softmax(-1)[0, 2].item())
    assert torch.equal(found.weights, weigh(ask(model, ids, 2), "rollout").weights)


def test_without_a_target_it_is_the_models_own_answer():
    model, ids = Layered(place=0), tokens(6)
    best = int(model(ids)[0].argmax())
    found = explain(model, ids, method="occlusion", labels=["a", "b", "c", "d"])
    assert found.target == "abcd"[best]


class Planted(nn.Module):
    """The class is decided by token 9 alone, wherever it stands; its attention looks at token 0 alone."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(23, 2)
        self.embedding.weight.data = torch.zeros(23, 2)
        self.embedding.weight.data[9, 1] = 6.0
        self.embedding.weight.data[0, 0] = 6.0

    def forward(self, ids):
        x = self.embedding(ids)
        score = x[..., :1]
        seen = nn.functional.scaled_dot_product_attention(score, score, x * torch.tensor([0.01, 0.0]))
        total = seen.sum((1, 2)) + x[..., 1].sum(1) - 3
        return torch.stack((-total, total), -1)


def test_the_best_method_finds_what_was_planted_and_says_why():
    ids = torch.tensor([[1, 2, 0, 4, 9, 5, 6, 7, 8, 10]])
    found = explain(Planted(), ids)
    assert found.heaviest(1)[0][0] == 4
    assert found.how.startswith("chosen as the best of ")
    assert "comprehensiveness" in found.how
    assert "random" in found.how
    assert explain(Planted(), ids, method="last attention").heaviest(1)[0][0] == 2  # raw attention does not


def test_the_best_is_measured_on_further_inputs_too():
    others = [torch.tensor([[9, 1, 2, 3]]), torch.tensor([[4, 5, 9, 0, 11]])]
    found = explain(Planted(), torch.tensor([[1, 2, 0, 4, 9]]), others=others)
    assert "3 inputs" in found.how
    assert found.heaviest(1)[0][0] == 4


def test_a_question_is_explained_as_it_is():
    question = linear_question((2.0, -1.0, 0.0))
    assert ask(question) is question
    found = explain(question)
    assert found.heaviest(1)[0] == (0, pytest.approx(1.0, abs=0.05))
    assert "left out: " in found.how
    with pytest.raises(SpecError, match="has its inputs"):
        explain(question, "a text")


def test_methods_that_need_what_is_not_there_say_so():
    with pytest.raises(SpecError, match="'rollout' needs attention, and that of a sum"):
        weigh(linear_question(), "rollout")
    with pytest.raises(SpecError, match="'gradient x input' needs gradients"):
        weigh(linear_question(), "gradient x input")


def test_a_method_of_too_many_passes_is_left_out(monkeypatch):
    monkeypatch.setattr(module, "PASSES", 5)
    found = explain(Planted(), torch.tensor([[1, 2, 0, 4, 9]]))
    assert "occlusion (about 6 passes of the model)" in found.how
    assert found.method != "occlusion"


def test_whoever_brings_its_own_question_is_asked_for_it():
    class Run:
        def question(self, inputs, target, *, words=False):
            assert (inputs, target, words) == ("a text", "yes", True)
            return linear_question()

    assert explain(Run(), "a text", "yes", words=True, method="occlusion").target == "yes"


def test_what_is_no_model_is_refused():
    with pytest.raises(SpecError, match="expected a run, a torch module"):
        explain("gpt", "a text")
    with pytest.raises(ShapeError, match="a tensor of token ids"):
        explain(Layered(), "a text")
    with pytest.raises(SpecError, match="the classes 0 to 3"):
        explain(Layered(), tokens(4), 7)
    with pytest.raises(SpecError, match="no such class"):
        explain(Layered(), tokens(4), "good")
    with pytest.raises(SpecError, match="expected 'best' or one of"):
        explain(Layered(), tokens(4), method="lime")


def test_features_pictures_and_vectors():
    torch.manual_seed(0)
    features = explain(nn.Linear(5, 3), torch.randn(1, 5), 1, method="gradient x input")
    assert (features.units.kind, len(features.weights)) == ("feature", 5)
    picture = nn.Sequential(nn.Flatten(), nn.Linear(3 * 6 * 8, 2))
    found = explain(picture, torch.randn(1, 3, 6, 8), method="occlusion", patch=4)
    assert (found.units.grid, found.units.texts) == ((1, 2), ("row 1, column 1", "row 1, column 2"))
    with pytest.raises(ShapeError, match="patch="):
        explain(picture, torch.randn(1, 3, 6, 8))
    with pytest.raises(SpecError, match="patch=9"):
        explain(picture, torch.randn(1, 3, 6, 8), patch=9)


def test_units_may_be_named_and_places_fixed():
    units = Units(("b", "c"), "word")
    found = explain(Layered(), tokens(4), method="occlusion", fixed=[0, 3], units=units)
    assert found.units is units
    with pytest.raises(SpecError, match="every token is fixed"):
        ask(Layered(), tokens(2), fixed=[0, 1])
    with pytest.raises(SpecError, match="0 to 1"):
        ask(Layered(), tokens(2), fixed=[5])


def test_every_explanation_carries_its_evidence():
    found = explain(Planted(), torch.tensor([[1, 2, 0, 4, 9, 5]]), method="occlusion")
    assert found.evidence.method == "occlusion"
    assert "random" in " ".join(found.evidence.lines())
    assert explain(Planted(), torch.tensor([[1, 2, 0, 4, 9, 5]]), method="occlusion", evidence=False).evidence is None


def test_where_measuring_would_take_too_long_that_is_said(monkeypatch):
    ids = torch.tensor([[1, 2, 0, 4, 9, 5]])
    monkeypatch.setattr(module, "WORK", 2 * 46 * 6 * 250 - 1)  # 46 weights, 6 places, 250 passes
    found = explain(Planted(), ids)
    assert (found.method, found.evidence) == ("gradient attention", None)
    assert "not chosen by measuring" in found.how
    assert "6 units of Planted take too long" in explain(Planted(), ids, method="rollout").how
    monkeypatch.setattr(module, "WORK", 2 * 46 * 6 * 250)
    assert explain(Planted(), ids, method="rollout").evidence is not None
