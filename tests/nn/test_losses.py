"""Losses on attention: values that can be counted, and models that learn what the loss asks of them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from regard import Causal, Padding
from regard.engine.trained import figures
from regard.nn import (
    AdditivePooling,
    Breadth,
    Coverage,
    Diagonal,
    Encoder,
    Marked,
    MultiHeadAttention,
    attention_loss,
)
from regard.nn.losses import AttentionLoss
from regard.spec.errors import ShapeError, SpecError
from regard.spec.request import request


def _even(loss: AttentionLoss, queries: int, keys: int, **options: object) -> float:
    """The loss of an attention that looks at all allowed keys alike."""
    q, k = torch.zeros(1, 1, queries, 2), torch.zeros(1, 1, keys, 2)
    return float(loss.of(figures(request(q, k, k, **options), *loss.measures())))  # type: ignore[arg-type]


def test_focus_is_the_squared_distance_of_entropies() -> None:
    assert _even(Breadth(8), 3, 8) == pytest.approx(0.0, abs=1e-10)
    assert _even(Breadth(2), 3, 8) == pytest.approx(math.log(4) ** 2, rel=1e-5)


def test_evidence_is_the_negative_log_of_the_marked_mass() -> None:
    assert _even(Marked(torch.arange(8) < 2), 3, 8) == pytest.approx(math.log(4), rel=1e-5)
    assert _even(Marked(torch.zeros(1, 8, dtype=torch.bool)), 3, 8) == 0.0  # nothing marked, nothing to ask


def test_diagonal_counts_what_lies_beside_it() -> None:
    expected = (1 - math.exp(-(0.5**2) / (2 * 0.1**2))) / 2  # places 0 and 1/2: half of the mass lies beside
    assert _even(Diagonal(0.1), 2, 2) == pytest.approx(expected, rel=1e-5)


def test_coverage_is_0_when_every_key_is_read_alike() -> None:
    assert _even(Coverage(), 5, 4) == pytest.approx(0.0, abs=1e-9)
    # causal, 2 queries: masses 1.5 and .5, the even share 1
    assert _even(Coverage(), 2, 2, mask=Causal()) == pytest.approx(0.25, rel=1e-5)
    # keys that nobody may attend to are not missed
    assert _even(Coverage(), 2, 4, mask=Padding(torch.tensor([3]))) == pytest.approx(0.0, abs=1e-9)


def test_empty_rows_do_not_count() -> None:
    mask = Causal()
    assert _even(Breadth(1), 3, 3, mask=mask, query_start=-2) == 0.0  # two rows are empty, one sees one key


def _train(
    model: nn.Module, x: Tensor, loss: AttentionLoss, *, steps: int = 60, **options: object
) -> tuple[float, float]:
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    first = last = 0.0
    for step in range(steps):
        with attention_loss(model, loss) as collected:
            model(x, **options)
        value = collected.mean()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        first, last = (value.item(), last) if step == 0 else (first, value.item())
    return first, last


LOSSES = {
    "focus": Breadth(2.0),
    "evidence": Marked(torch.arange(11) == 4),
    "diagonal": Diagonal(0.1),
    "coverage": Coverage(),
}


@pytest.mark.parametrize("name", LOSSES)
def test_a_layer_learns_what_the_loss_asks(name: str) -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(12, 3)
    first, last = _train(layer, torch.randn(2, 11, 12) * 2, LOSSES[name])
    assert last < first / 2


def test_pooling_learns_to_look_at_the_marked_token() -> None:
    torch.manual_seed(0)
    pooling, x = AdditivePooling(6), torch.randn(4, 9, 6)
    lengths, marked = torch.tensor([9, 7, 5, 3]), torch.zeros(4, 9, dtype=torch.bool)
    marked[torch.arange(4), torch.tensor([8, 0, 2, 1])] = True
    _train(pooling, x, Marked(marked), steps=200, lengths=lengths)
    weights = pooling(x, lengths)[1]
    assert weights.argmax(-1).tolist() == [8, 0, 2, 1]


def test_torch_layers_are_reached_too() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
    first, last = _train(layer, torch.randn(2, 7, 8) * 2, Breadth(1.5), steps=40)
    assert last < first / 2


def test_the_output_is_not_changed_and_only_names_modules() -> None:
    torch.manual_seed(0)
    model, x = Encoder(8, 2, layers=3), torch.randn(2, 5, 8)
    with attention_loss(model, Breadth(2), only="*1*") as collected:
        out = model(x)
    assert torch.equal(out, model(x))
    assert len(collected.losses) == 1
    assert "1" in collected.losses[0][0]


def test_errors_say_what_to_do() -> None:
    with pytest.raises(SpecError, match=r"Breadth\(breadth=0.5\): expected a number of keys, 1 or more"):
        Breadth(0.5)
    with pytest.raises(SpecError, match=r"Marked\(marked\): expected a bool tensor"):
        Marked(torch.ones(3))
    layer = MultiHeadAttention(4, 1)
    with attention_loss(layer, Breadth(2)) as collected:
        pass
    with pytest.raises(SpecError, match="attention_loss saw no attention call: run the model inside the block"):
        collected.mean()
    with pytest.raises(ShapeError, match="one number a key"), attention_loss(layer, Marked(torch.ones(3) > 0)):
        layer(torch.zeros(1, 5, 4))
