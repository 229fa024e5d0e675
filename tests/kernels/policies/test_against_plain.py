"""Blocks by bounds and by means, the largest components, and low bits, against plain loops over queries and keys."""

from __future__ import annotations

import pytest
import torch
from tests.kernels.policies import plain

from regard.kernels import policies
from regard.spec import (
    Budget,
    Causal,
    Dense,
    Documents,
    LargestComponents,
    LowBits,
    Mask,
    MeanBlocks,
    MinMaxBlocks,
    Padding,
    Policy,
    Request,
    Sinks,
    Window,
    request,
)

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM, VALUE_DIM = 2, 6, 2, 9, 61, 6, 5
CHOOSERS = [MinMaxBlocks(4), MinMaxBlocks(7), MeanBlocks(4), MeanBlocks(16), LargestComponents(2), LargestComponents(9)]


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def asked(mask: Mask | None, query_start: int | None = None) -> Request:
    return request(
        3 * numbers(BATCH, HEADS, QUERIES, DIM, seed=1),
        numbers(BATCH, KV_HEADS, KEYS, DIM, seed=2),
        numbers(BATCH, KV_HEADS, KEYS, VALUE_DIM, seed=3),
        mask=mask,
        query_start=query_start,
    )


MASKS: dict[str, Mask | None] = {
    "no mask": None,
    "causal": Causal(),
    "window": Window(23, 0),
    "window and sinks": Causal() & (Window(19, 0) | Sinks(3)),
    "padding": Padding(torch.tensor([61, 29])),
    "documents": Causal() & Documents(torch.full((QUERIES,), 1), torch.arange(KEYS) // 27),
    "dense": Dense(numbers(BATCH, 1, QUERIES, KEYS, seed=4) > -1),
}


@pytest.mark.parametrize("mask", MASKS, ids=MASKS.keys())
@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.5, 0.8, 0.95])
@pytest.mark.parametrize("policy", CHOOSERS, ids=repr)
def test_choosers_read_the_same_bytes_and_give_the_same_output(policy: Policy, fraction: float, mask: str) -> None:
    call, budget = asked(MASKS[mask]), Budget(fraction=fraction, policy=policy)
    output, spent = plain.every(call, budget)
    found = policies.spend(call, budget)
    torch.testing.assert_close(found.bytes, torch.from_numpy(spent))
    torch.testing.assert_close(found.output, torch.from_numpy(output))


@pytest.mark.parametrize("mask", MASKS, ids=MASKS.keys())
@pytest.mark.parametrize("fraction", [0.75, 0.8])
@pytest.mark.parametrize("policy", [LowBits(group=5, latest=0), LowBits(group=6, latest=2)], ids=repr)
def test_low_bits_round_as_the_plain_loops_do(policy: Policy, fraction: float, mask: str) -> None:
    call, budget = asked(MASKS[mask]), Budget(fraction=fraction, policy=policy)
    output, spent = plain.every(call, budget)
    found = policies.spend(call, budget)
    torch.testing.assert_close(found.bytes, torch.from_numpy(spent))
    torch.testing.assert_close(found.output, torch.from_numpy(output))


@pytest.mark.parametrize("policy", CHOOSERS, ids=repr)
def test_queries_from_the_first_key_on(policy: Policy) -> None:
    """Queries that see 1, 2, ... keys: budgets of less than a key among them."""
    call, budget = asked(Causal(), query_start=0), Budget(fraction=0.4, policy=policy)
    output, spent = plain.every(call, budget)
    found = policies.spend(call, budget)
    torch.testing.assert_close(found.bytes, torch.from_numpy(spent))
    torch.testing.assert_close(found.output, torch.from_numpy(output))
