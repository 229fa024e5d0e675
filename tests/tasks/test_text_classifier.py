"""The two models: shapes, weights, and that padding and neighbours in a batch change nothing."""

import pytest
import torch

from regard.tasks.settings import CoreSettings
from regard.tasks.text_classifier import TextClassifier, budget_words, processed_share

CORES = [
    CoreSettings(kind="bilstm", dim=6, hidden=5, dropout=0.0),
    CoreSettings(kind="bilstm", dim=6, hidden=5, layers=2, dropout=0.0),
    CoreSettings(kind="transformer", dim=8, hidden=12, heads=2, layers=2, dropout=0.0),
    CoreSettings(kind="transformer", dim=8, hidden=12, heads=2, layers=2, dropout=0.0, budget=0.5),
]
NAMED = [f"{core.kind}{core.layers}" + ("" if core.budget == 1 else " with a budget") for core in CORES]
IDS = torch.tensor([[5, 6, 7, 8, 9], [4, 3, 2, 0, 0]])
LENGTHS = torch.tensor([5, 3])


def built(core, **changes):
    torch.manual_seed(0)
    return TextClassifier(core.model_copy(update=changes), vocabulary=11, classes=3, longest=7).eval()


@pytest.mark.parametrize("core", CORES, ids=NAMED)
def test_shapes_and_weights(core):
    logits, weights = built(core)(IDS, LENGTHS)
    assert logits.shape == (2, 3)
    assert weights.shape == (2, 5)
    assert torch.allclose(weights.sum(-1), torch.ones(2))
    assert weights[1, 3:].tolist() == [0, 0]


@pytest.mark.parametrize("core", CORES, ids=NAMED)
def test_a_text_alone_gets_the_same_answer(core):
    model = built(core)
    together = model(IDS, LENGTHS)
    alone = model(IDS[1:, :3], LENGTHS[1:])
    assert torch.allclose(together[0][1:], alone[0], atol=1e-6)
    assert torch.allclose(together[1][1:, :3], alone[1], atol=1e-6)


@pytest.mark.parametrize("core", CORES, ids=NAMED)
def test_the_order_of_words_matters(core):
    model = built(core)
    turned = IDS.clone()
    turned[0] = IDS[0].flip(0)
    assert not torch.allclose(model(IDS, LENGTHS)[0][0], model(turned, LENGTHS)[0][0], atol=1e-4)


@pytest.mark.parametrize("core", CORES, ids=NAMED)
def test_every_parameter_learns(core):
    model = built(core).train()
    model(IDS, LENGTHS)[0].square().sum().backward()
    still = [name for name, one in model.named_parameters() if one.grad is None or not one.grad.any()]
    # a key's bias shifts all scores of a row alike, which softmax does not see
    assert [name for name in still if "key" not in name] == []


def test_token_dropout_hides_tokens_in_training_only():
    model = built(CORES[0], token_dropout=0.9)
    calm = model(IDS, LENGTHS)[0]
    assert torch.equal(calm, model(IDS, LENGTHS)[0])
    model.train()
    assert not torch.equal(calm, model(IDS, LENGTHS)[0])


WHOLE, HALF = CORES[2], CORES[3]


def test_a_budget_pools_the_tokens_that_are_left():
    weights = built(HALF)(IDS, LENGTHS)[1]
    assert (weights > 0).sum(-1).tolist() == [2, 1]  # the second layer's quarter of 5 and of 3, rounded up


def test_a_budget_changes_no_weight_of_the_model():
    whole, half = built(WHOLE), built(HALF)
    assert list(whole.state_dict()) == list(half.state_dict())
    half.load_state_dict(whole.state_dict())
    assert not torch.allclose(whole(IDS, LENGTHS)[0], half(IDS, LENGTHS)[0], atol=1e-4)
    assert torch.equal(whole(IDS, LENGTHS)[0], built(HALF, budget=1.0)(IDS, LENGTHS)[0])


def test_the_share_that_layers_process():
    # of 5 tokens the layers process 4 and 2, of 3 they process 3 and 1: 10 of twice 8
    assert processed_share(HALF, LENGTHS) == 10 / 16
    assert processed_share(WHOLE, LENGTHS) == 1
    assert processed_share(CORES[0], LENGTHS) == 1
    assert processed_share(HALF, LENGTHS[:0]) == 1
    assert (budget_words(WHOLE), budget_words(HALF)) == ("", "|budget:0.5")
