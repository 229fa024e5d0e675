"""Horizon: quantiles that never cross, and the pinball loss, which they are the minimum of."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.nn.heads import Horizon, LastToken, LearnedQueries, Quantiles, pinball
from regard.nn.heads.horizon import ascending
from regard.spec import ShapeError, SpecError

BATCH, LENGTH, DIM, STEPS = 3, 7, 5, 11
QUANTILES = (0.1, 0.5, 0.9)


def test_three_numbers_by_hand() -> None:
    low, high = math.log(math.e - 1), 0.0  # softplus 1, and ln 2
    found = ascending(torch.tensor([low, 5.0, high]))
    assert found.tolist() == pytest.approx([4.0, 5.0, 5.0 + math.log(2)])
    assert ascending(torch.tensor([7.0])).tolist() == [7.0]
    assert ascending(torch.tensor([high, 7.0])).tolist() == pytest.approx([7.0 - math.log(2), 7.0])


@given(seed=st.integers(0, 999), count=st.integers(1, 9), size=st.sampled_from([1e-3, 1.0, 30.0]))
def test_quantiles_never_cross(seed: int, count: int, size: float) -> None:
    raw = size * torch.randn(4, 3, count, generator=torch.Generator().manual_seed(seed))
    found = ascending(raw)
    assert found.shape == raw.shape
    assert (found.diff(dim=-1) >= 0).all()
    torch.testing.assert_close(found[..., count // 2], raw[..., count // 2])


def test_the_head_gives_every_step_and_where_it_looked() -> None:
    head = Horizon(DIM, STEPS, QUANTILES)
    x, lengths = torch.randn(BATCH, LENGTH, DIM), torch.tensor([7, 3, 0])
    forecast, weights = head(x, lengths)
    assert forecast.shape == (BATCH, STEPS, 3)
    assert (forecast.diff(dim=-1) > 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.tensor([1.0, 1.0, 0.0]))
    assert not weights[1, 3:].any()
    last = Horizon(DIM, STEPS, QUANTILES, pooling=LastToken())
    changed = x.clone()
    changed[1, :2] = 0.0
    assert torch.equal(last(x, lengths)[0], last(changed, lengths)[0])
    assert head(x[:, :0])[0].shape == (BATCH, STEPS, 3)
    assert head.bfloat16()(x.bfloat16())[0].dtype == torch.bfloat16


def test_steps_may_look_at_the_past_themselves() -> None:
    queries, head = LearnedQueries(DIM, 1, queries=STEPS, layers=1), Quantiles(DIM, QUANTILES)
    forecast = head(queries(torch.randn(BATCH, LENGTH, DIM)))
    assert forecast.shape == (BATCH, STEPS, 3)
    assert (forecast.diff(dim=-1) > 0).all()


def test_the_pinball_loss_by_hand() -> None:
    forecast = torch.tensor([[[1.0, 2.0], [4.0, 6.0]]])
    target = torch.tensor([[2.0, 5.0]])
    # .1 (2 - 1), 0; .1 (5 - 4), (.8 - 1)(5 - 6)
    assert pinball(forecast, target, (0.1, 0.8)).item() == pytest.approx((0.1 + 0 + 0.1 + 0.2) / 4)
    assert pinball(forecast, target, (0.1, 0.8), torch.tensor([1])).item() == pytest.approx(0.05)
    broken = torch.tensor([[2.0, math.nan]])
    assert pinball(forecast, broken, (0.1, 0.8), torch.tensor([[True, False]])).item() == pytest.approx(0.05)
    assert pinball(forecast, target, (0.1, 0.8), torch.tensor([0])).item() == 0.0
    assert pinball(forecast.bfloat16(), target, (0.1, 0.8)).dtype == torch.float32


def test_its_minimum_is_the_quantile() -> None:
    values = torch.arange(1001.0)[:, None] / 1000
    for level in (0.1, 0.5, 0.9):
        guesses = (level - 0.05, level, level + 0.05)
        losses = [pinball(torch.full((1001, 1, 1), guess), values, (level,)).item() for guess in guesses]
        assert losses[1] == min(losses)


def test_it_learns_the_spread_of_noise() -> None:
    head = Horizon(1, 2, QUANTILES, pooling=LastToken())
    optimizer = torch.optim.Adam(head.parameters(), 0.05)
    for _ in range(400):
        target = torch.randn(256, 2) * torch.tensor([1.0, 3.0])
        loss = pinball(head(torch.zeros(256, 1, 1))[0], target, QUANTILES)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = head(torch.zeros(1, 1, 1))[0][0].detach()
    want = torch.tensor([[-1.2816, 0.0, 1.2816]]) * torch.tensor([[1.0], [3.0]])  # of a normal distribution
    torch.testing.assert_close(found, want, rtol=0, atol=0.45)


def test_gradients_and_state() -> None:
    head, x = Horizon(DIM, 2, QUANTILES).double(), torch.randn(2, 3, DIM, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: head(x, torch.tensor([3, 1]))[0], (x,), fast_mode=True)
    other = Horizon(DIM, 2, QUANTILES).double()
    other.load_state_dict(head.state_dict())
    assert torch.equal(other(x)[0], head(x)[0])


def test_what_does_not_fit() -> None:
    for wrong in ((), (0.0, 0.5), (0.5, 1.0), (0.9, 0.1), (0.5, 0.5), "median", (math.nan,)):
        with pytest.raises(SpecError, match="expected ascending numbers between 0 and 1"):
            Horizon(DIM, STEPS, wrong)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="horizon=0"):
        Horizon(DIM, 0, QUANTILES)
    with pytest.raises(SpecError, match="expected a module"):
        Horizon(DIM, STEPS, QUANTILES, pooling="last")  # type: ignore[arg-type]
    forecast = torch.zeros(BATCH, STEPS, 3)
    for target in (torch.zeros(BATCH, STEPS + 1), torch.zeros(BATCH, STEPS, 3)):
        with pytest.raises(ShapeError, match="pinball: forecast"):
            pinball(forecast, target, QUANTILES)
    with pytest.raises(ShapeError, match="2 quantiles"):
        pinball(forecast, torch.zeros(BATCH, STEPS), (0.1, 0.9))
