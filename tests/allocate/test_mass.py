"""Mass received by each key of a cache, against the whole matrix of weights."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.allocate.mass import faded, possible, received
from regard.engine.observation import Wanted
from regard.engine.observe import statistics
from regard.spec.membership import Dense
from regard.spec.positional import Causal
from regard.spec.request import request


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


Q, K, V = drawn(2, 4, 37, 8, seed=0), drawn(2, 2, 53, 8, seed=1), drawn(2, 2, 53, 5, seed=2)  # the last queries of 53


def weights() -> Tensor:
    """(batch, kv_heads, groups, queries, keys) in float64, causal."""
    scores = Q.double().view(2, 2, 2, 37, 8) @ K.double()[:, :, None].mT / 8**0.5
    forbidden = torch.arange(53) > torch.arange(16, 53)[:, None]
    return scores.masked_fill(forbidden, -torch.inf).softmax(-1)


def test_heads_that_share_a_key_head_are_added_up() -> None:
    found = received(request(Q, K, V, mask=Causal()))
    torch.testing.assert_close(found.double(), weights().sum((2, 3)), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sum((1, 2)), torch.full((2,), 4 * 37.0))  # each query of each head gives 1


def test_it_is_what_observe_says() -> None:
    asked = request(Q, K, V, mask=Causal())
    seen = statistics(asked, Wanted()).received
    torch.testing.assert_close(received(asked), seen.view(2, 2, 2, 53).sum(2))


@pytest.mark.parametrize("half_life", [4.0, 16.0, 1000.0])
def test_earlier_queries_count_less(half_life: float) -> None:
    """By blocks of an eighth of a half-life; a query of 10 half-lives before counts nothing."""
    size, kept = max(1, int(half_life / 8)), int(10 * half_life) + 1
    ago = torch.arange(36, -1, -1)
    by_block = 2.0 ** (-(ago // size * size).double() / half_life) * (ago < kept)
    found = received(request(Q, K, V, mask=Causal()), half_life=half_life)
    expected = (weights() * by_block[:, None]).sum((2, 3))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


def test_a_half_life_halves() -> None:
    assert faded(6, 3.0) == 0.25
    assert faded(6, None) == 1.0


def test_padding_receives_nothing() -> None:
    real = torch.ones(2, 53, dtype=torch.bool)
    real[1, :20] = False
    found = received(request(Q, K, V, mask=Causal() & Dense(real[:, None, None])))
    assert not found[1, :, :20].any()
    torch.testing.assert_close(found[1].sum(), torch.tensor(2 * 2 * 33.0))  # the first 4 queries see nothing at all


def test_an_lse_that_is_known_is_used() -> None:
    asked = request(Q, K, V, mask=Causal())
    lse = statistics(asked, Wanted()).lse
    torch.testing.assert_close(received(asked, lse=lse), received(asked))
    assert not torch.allclose(received(asked, lse=lse + 1), received(asked))
    with torch.autocast("cpu", dtype=torch.bfloat16):  # made of rounded scores: not used
        torch.testing.assert_close(received(asked, lse=lse + 1), received(asked))


@pytest.mark.parametrize("half_life", [None, 4.0])
def test_how_many_queries_could_see_a_key(half_life: float | None) -> None:
    """If every query looked at one key alone, it would receive just so much."""
    ages = torch.tensor([1.0, 2.0, 5.0])
    by_hand = [sum(1.0 if half_life is None else 2 ** (-ago / half_life) for ago in range(age)) for age in (1, 2, 5)]
    torch.testing.assert_close(possible(ages, half_life), torch.tensor(by_hand))
