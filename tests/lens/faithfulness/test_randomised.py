import pytest
import torch
from torch import nn

from regard.lens.faithfulness import layers_from_the_top, randomised
from regard.spec import SpecError


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))


def gradient(one):
    """An explanation that depends on every layer."""
    leaf = torch.linspace(-1, 1, 12).requires_grad_()
    (found,) = torch.autograd.grad(one(leaf).sum(), leaf)
    return found.numpy()


def test_layers_come_from_the_top():
    assert layers_from_the_top(model()) == ("4", "2", "0")
    named = nn.ModuleDict({"bert": nn.ModuleDict({"pooler": nn.ModuleDict({"dense": nn.Linear(2, 2)})})})
    named["classes"] = nn.Linear(2, 2)
    assert layers_from_the_top(named) == ("classes", "bert.pooler")
    blocks = nn.ModuleDict({"layers": nn.ModuleList([nn.ModuleDict({"a": nn.Linear(2, 2)}) for _ in range(2)])})
    assert layers_from_the_top(blocks) == ("layers.1", "layers.0")


def test_an_explanation_by_the_input_alone_does_not_change():
    rows = randomised(model(), lambda _: [3.0, -1.0, 2.0])
    assert [(row.layer, row.similar, row.magnitudes) for row in rows] == [(name, 1.0, 1.0) for name in ("4", "2", "0")]


def test_an_explanation_by_what_was_learned_does():
    one = model()
    before = {name: value.clone() for name, value in one.named_parameters()}
    rows = randomised(one, gradient)
    assert all(abs(row.similar) < 0.9 for row in rows)
    assert all(torch.equal(value, before[name]) for name, value in one.named_parameters())  # ours stays as it is


def test_only_the_named_layers_lose_their_numbers_one_after_the_other():
    seen = []
    randomised(model(), lambda one: seen.append([p.clone() for p in one.parameters()]) or [1.0, 2.0], layers=("2", "0"))
    whole, first, second = seen
    changed = [[not torch.equal(a, b) for a, b in zip(whole, each, strict=True)] for each in (first, second)]
    assert changed == [[False, False, True, True, False, False], [True, True, True, True, False, False]]
    assert torch.equal(first[2].flatten().sort().values, whole[2].flatten().sort().values)  # shuffled, no new numbers
    with pytest.raises(SpecError, match="'head'"):
        randomised(model(), lambda _: [1.0], layers=("head",))


def test_an_explanation_that_tells_nothing_apart_is_like_nothing():
    assert randomised(model(), lambda _: [1.0, 1.0])[0].similar == 0
