"""Biases count where keys are read and where they are judged; a sink logit belongs to every softmax."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.policies import spend
from regard.spec import (
    Budget,
    Dense,
    Dot,
    LargestComponents,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    Request,
    SinkLogits,
    TensorBias,
    WindowSinks,
    request,
)

# eight keys score nothing by themselves; a bias makes key 5 the best, and key 7 is the query's own
BIAS = torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0])[None]


def asked(*bias: object, heads: int = 1) -> Request:
    query, key = torch.ones(1, heads, 1, 2), torch.zeros(1, 1, 8, 2)
    return request(query, key, torch.eye(8)[None, None], score=Dot(), bias=bias)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "fraction", "read"),
    [
        (PerfectKeys(), 40 / 160, [1, 5]),
        (PerfectBlocks(2), 40 / 160, [4, 5]),
        (MinMaxBlocks(2), (32 + 120) / 160, [0, 1, 4, 5, 6, 7]),
        (MeanBlocks(2), (16 + 120) / 160, [0, 1, 4, 5, 6, 7]),
        (LowRankKeys(1), (16 + 4 + 60) / 160, [1, 5, 7]),
    ],
    ids=repr,
)
def test_biases_are_part_of_what_keys_are_judged_by(policy: Policy, fraction: float, read: list[int]) -> None:
    found = spend(asked(TensorBias(BIAS)), Budget(fraction=fraction, policy=policy))
    assert found.output[0, 0, 0].nonzero()[:, 0].tolist() == read
    torch.testing.assert_close(found.output[0, 0, 0, read], torch.softmax(BIAS[0, read], 0))


def test_the_components_are_judged_with_biases_too() -> None:
    found = spend(asked(TensorBias(BIAS)), Budget(fraction=(16 + 16 + 40) / 160, policy=LargestComponents(1)))
    guess = torch.softmax(BIAS[0], 0)
    alpha = guess[[5, 7]].sum()
    expected = torch.full((8,), float(1 - alpha) / 8)
    expected[[5, 7]] += alpha * torch.softmax(BIAS[0, [5, 7]], 0)
    torch.testing.assert_close(found.output[0, 0, 0], expected)


@pytest.mark.parametrize("policy", [WindowSinks(1), MeanBlocks(2), LargestComponents(1), PerfectKeys()], ids=repr)
def test_a_sink_logit_takes_its_part(policy: Policy) -> None:
    """exp(sink) joins the sum: with the lse of the keys that were read, sigmoid(lse - sink) of the weight is left."""
    budget = Budget(fraction=0.8, policy=policy)
    without, found = spend(asked(), budget), spend(asked(SinkLogits(torch.tensor([0.7]))), budget)
    left = torch.sigmoid(without.lse - 0.7)
    torch.testing.assert_close(found.output, without.output * left[..., None])
    torch.testing.assert_close(found.lse, torch.logaddexp(without.lse, torch.tensor(0.7)))


def test_a_head_whose_sink_takes_all_has_no_say() -> None:
    """Two heads of one group; the first would read key 0, but its sink holds all its weight."""
    query, key = torch.eye(2).view(1, 2, 1, 2), torch.tensor([[9.0, 0.0], [0.0, 2.0], [0.0, 0.0]])[None, None]
    value = torch.eye(3)[None, None]
    for sink, read in ((-20.0, 0), (20.0, 1)):
        bias = SinkLogits(torch.tensor([sink, -20.0]))
        found = spend(request(query, key, value, score=Dot(), bias=bias), Budget(keys=1, policy=PerfectKeys()))
        assert found.output[0, 1, 0].nonzero()[:, 0].tolist() == [read]


def test_a_bias_of_minus_infinity_forbids() -> None:
    closed = torch.tensor([0.0, -torch.inf, 0.0, -torch.inf, 0.0, -torch.inf, -torch.inf, -torch.inf])[None]
    found = spend(asked(TensorBias(closed)), Budget(fraction=0.4, policy=WindowSinks(0)))
    assert found.output[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert found.bytes.tolist() == [[[20.0]]]


@pytest.mark.parametrize("way", ["bias", "mask"])
def test_heads_of_a_group_that_see_other_keys(way: str) -> None:
    """Each head attends to the keys of its own mask among those the group reads; the group's budget is that of all."""
    closed = torch.zeros(1, 2, 1, 8)
    closed[0, 0, 0, :4] = closed[0, 1, 0, 4:] = -torch.inf
    call = asked(TensorBias(closed), heads=2)
    if way == "mask":
        call = request(call.query, call.key, call.value, score=Dot(), mask=Dense(torch.isfinite(closed)))
    found = spend(call, Budget(keys=4, policy=WindowSinks(2)))
    assert found.output[0, 0, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5]
    assert found.output[0, 1, 0].tolist() == [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert found.bytes.tolist() == [[[80.0]]]


def test_a_mean_block_adds_its_mean_bias() -> None:
    """Block 1 has biases of 1 and 1 and scores nothing, block 2 scores 1.5: the mean decides for the latter, the sum
    would not."""
    key = torch.zeros(1, 1, 8, 2).index_fill(2, torch.tensor([4, 5]), 0.75)
    bias = torch.zeros(1, 8).index_fill(1, torch.tensor([2, 3]), 1.0)
    call = request(torch.ones(1, 1, 1, 2), key, torch.eye(8)[None, None], score=Dot(), bias=bias)
    found = spend(call, Budget(fraction=(16 + 120) / 160, policy=MeanBlocks(2)))
    assert found.output[0, 0, 0].nonzero()[:, 0].tolist() == [0, 1, 4, 5, 6, 7]
