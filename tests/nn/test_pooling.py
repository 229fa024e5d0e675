"""AdditivePooling: weights by hand, exact zeros on padding, nothing from it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.engine.attend import WATCHER, attend
from regard.engine.observation import Wanted
from regard.engine.observe import statistics
from regard.nn import AdditiveAttention, AdditivePooling
from regard.spec import Padding, ShapeError, SpecError

BATCH, LENGTH, DIM, HIDDEN = 4, 7, 5, 3
LENGTHS = torch.tensor([7, 3, 1, 0])


def test_three_tokens_by_hand() -> None:
    layer = AdditivePooling(1, 1)
    with torch.no_grad():
        layer.key.weight.fill_(1.0)
        layer.key.bias.fill_(0.0)
        layer.vector.fill_(2.0)
    pooled, weights = layer(torch.tensor([[[0.0], [1.0], [9.0]]]), torch.tensor([2]))
    second = math.exp(2 * math.tanh(1.0))  # against exp(2 * tanh(0)) = 1
    assert weights[0].tolist() == pytest.approx([1 / (1 + second), second / (1 + second), 0.0])
    assert pooled.item() == pytest.approx(second / (1 + second))


def test_it_is_additive_attention_of_one_query() -> None:
    layer, x = AdditivePooling(DIM, HIDDEN), torch.randn(BATCH, LENGTH, DIM)
    theirs = AdditiveAttention(2, DIM, HIDDEN)
    query = torch.randn(1, 1, 2)
    with torch.no_grad():
        theirs.key.weight.copy_(layer.key.weight)
        theirs.vector.copy_(layer.vector)
        theirs.key.bias.copy_(layer.key.bias - theirs.query(query)[0, 0])  # W_q q and b are one vector here
    want = theirs(query.expand(BATCH, 1, 2), x, mask=Padding(LENGTHS))[:, 0]
    torch.testing.assert_close(layer(x, LENGTHS)[0], want)


def test_who_watches_is_told_of_it_as_of_attention_of_one_query() -> None:
    layer, x = AdditivePooling(DIM, HIDDEN), torch.randn(BATCH, LENGTH, DIM)
    alone = layer(x, LENGTHS)
    told = []
    token = WATCHER.set(lambda asked, compute: told.append((asked, compute())) or compute())
    try:
        watched = layer(x, LENGTHS)
    finally:
        WATCHER.reset(token)
    assert all(torch.equal(one, other) for one, other in zip(alone, watched, strict=True))
    ((asked, given),) = told
    assert torch.equal(given[:, 0, 0], watched[0])
    torch.testing.assert_close(statistics(asked, Wanted()).received[:, 0], watched[1])
    seen = attend(asked.query, asked.key, asked.value, score=asked.score, mask=asked.mask, query_start=0)
    torch.testing.assert_close(seen, given)


def test_weights_are_exactly_0_on_padding_and_sum_to_1() -> None:
    layer, x = AdditivePooling(DIM), torch.randn(BATCH, LENGTH, DIM)
    for item, length in enumerate(LENGTHS.tolist()):
        x[item, length:] = math.nan
    pooled, weights = layer(x, LENGTHS)
    for item, length in enumerate(LENGTHS.tolist()):
        assert weights[item, length:].tolist() == [0.0] * (LENGTH - length)
        assert weights[item].sum().item() == pytest.approx(float(length > 0))
        alone, shares = layer(x[item : item + 1, :length], LENGTHS[item : item + 1])
        torch.testing.assert_close(pooled[item], alone[0])
        torch.testing.assert_close(weights[item, :length], shares[0])
    assert pooled[3].tolist() == [0.0] * DIM


def test_padding_stays_out_however_low_the_scores_are() -> None:
    layer = AdditivePooling(DIM, HIDDEN)
    with torch.no_grad():
        layer.vector.fill_(-1e6)
        layer.key.bias.fill_(3.0)
    _, weights = layer(torch.zeros(1, LENGTH, DIM), torch.tensor([2]))
    assert weights[0].tolist() == [0.5, 0.5, *[0.0] * 5]


@pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
def test_gradients_are_right_with_padding_and_empty_items() -> None:
    layer = AdditivePooling(DIM, HIDDEN).double()
    x = torch.randn(BATCH, LENGTH, DIM, dtype=torch.float64, requires_grad=True)
    names, values = zip(*layer.named_parameters(), strict=True)

    def run(x: Tensor, *parameters: Tensor) -> tuple[Tensor, Tensor]:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, LENGTHS))

    assert torch.autograd.gradcheck(run, (x, *values))
    with torch.autograd.detect_anomaly(check_nan=True):
        pooled, _ = layer(x, LENGTHS)
        pooled.square().sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad[3], torch.zeros(LENGTH, DIM, dtype=torch.float64))


def test_half_precision_keeps_its_weights_in_float32() -> None:
    layer, x = AdditivePooling(DIM).bfloat16(), torch.randn(1, 1000, DIM)
    pooled, weights = layer(x.bfloat16(), torch.tensor([1000]))
    assert (pooled.dtype, weights.dtype) == (torch.bfloat16, torch.float32)
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-5)


def test_bad_arguments() -> None:
    with pytest.raises(ShapeError, match="AdditivePooling: 3 lengths for a batch of 4"):
        AdditivePooling(DIM)(torch.zeros(BATCH, LENGTH, DIM), LENGTHS[:3])
    with pytest.raises(ShapeError, match=r"expected \(batch, len, 5\)"):
        AdditivePooling(DIM)(torch.zeros(BATCH, LENGTH, 6), LENGTHS)
    with pytest.raises(SpecError, match="hidden=0"):
        AdditivePooling(DIM, 0)
