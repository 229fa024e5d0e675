"""Chances by hand: four keys of weights 8, 4, 2, 2."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from regard.kernels import focus_sample
from regard.kernels.focus_sample import Chances, drawn, numbers

WEIGHTS = torch.tensor([[[8.0, 4.0, 2.0, 2.0]]])
ALL = torch.ones(1, 4, dtype=torch.bool)
NONE = ~ALL


def at(chances: Chances, count: float) -> Tensor:
    return chances.at(torch.tensor([count], dtype=torch.float64))[0]


def near(found: Tensor, *wanted: float) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted))


@pytest.fixture
def in_proportion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing for all alike."""
    monkeypatch.setattr(focus_sample, "UNIFORM", 0.0)


@pytest.mark.usefixtures("in_proportion")
def test_chances_are_in_proportion_to_weights_and_at_most_1() -> None:
    chances = Chances.of(WEIGHTS, ALL, ALL, NONE, 0, 0.0)
    near(at(chances, 1.0), 0.5, 0.25, 0.125, 0.125)
    near(at(chances, 2.0), 1.0, 0.5, 0.25, 0.25)
    near(at(chances, 3.0), 1.0, 1.0, 0.5, 0.5)  # two certain; one more key shared by two
    near(at(chances, 4.0), 1.0, 1.0, 1.0, 1.0)


def test_a_tenth_goes_to_all_alike() -> None:
    near(at(Chances.of(WEIGHTS, ALL, ALL, NONE, 0, 0.0), 1.0), 0.475, 0.25, 0.1375, 0.1375)


@pytest.mark.usefixtures("in_proportion")
def test_of_heads_that_share_keys_the_one_that_needs_a_key_decides() -> None:
    """Shares (1, 0) and (.6, .8): their lengths are sqrt(1.36) and .8."""
    weights = torch.tensor([[[2.0, 0.0], [0.75, 1.0]]])
    found = at(Chances.of(weights, ALL[:, :2], ALL[:, :2], NONE[:, :2], 0, 0.0), 1.0)
    first, second = (1 + (3 / 7) ** 2) ** 0.5, 4 / 7
    near(found, first / (first + second), second / (first + second))


@pytest.mark.usefixtures("in_proportion")
def test_first_and_latest_keys_are_read_in_any_case() -> None:
    chances = Chances.of(WEIGHTS.flip(-1), ALL, ALL, NONE, 1, 0.0)  # weights 2, 2, 4, 8; one key is left for three
    near(at(chances, 2.0), 1.0, 2 / 14, 4 / 14, 8 / 14)
    late = Chances.of(WEIGHTS, ALL, ALL, NONE, 0, 0.5)
    near(at(late, 2.0), 0.5, 0.25, 0.125, 1.0)  # half of two keys for the last; the rest by weight


@pytest.mark.usefixtures("in_proportion")
def test_keys_of_blocks_seen_in_part_are_read_and_forbidden_ones_never() -> None:
    allowed = torch.tensor([[True, True, True, False]])
    whole = torch.tensor([[True, True, False, False]])
    weights = WEIGHTS.masked_fill(~allowed[:, None], 0)
    chances = Chances.of(weights, allowed, whole, NONE, 0, 0.0)
    near(at(chances, 2.0), 8 / 12, 4 / 12, 1.0, 0.0)
    near(at(chances, 3.0), 1.0, 1.0, 1.0, 0.0)


@pytest.mark.usefixtures("in_proportion")
def test_doubted_keys_are_read_unless_they_are_forbidden() -> None:
    doubted = torch.tensor([[False, False, True, True]])
    allowed = torch.tensor([[True, True, True, False]])
    weights = WEIGHTS.masked_fill(~allowed[:, None], 0)
    near(at(Chances.of(weights, allowed, ALL, doubted, 0, 0.0), 2.0), 8 / 12, 4 / 12, 1.0, 0.0)


def test_chances_never_fall_as_more_is_read() -> None:
    source = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 2, 300, generator=source).exp()
    allowed = torch.rand(5, 300, generator=source) < 0.9
    every = torch.ones(5, 300, dtype=torch.bool)
    chances = Chances.of(weights * allowed[:, None], allowed, every, ~every, 7, 0.2)
    before = torch.zeros(5, 300)
    for count in (10.0, 20.0, 50.0, 120.0, 200.0, 299.0, 300.0):
        found = chances.at(torch.full((5,), count, dtype=torch.float64))
        assert torch.all(found >= before - 1e-6)
        assert torch.all(found.masked_select(~allowed) == 0)
        before = found
    assert torch.equal(before, allowed.float())
    some = chances.rows(torch.tensor([3, 1])).at(torch.tensor([20.0, 50.0], dtype=torch.float64))
    assert torch.equal(some[0], chances.at(torch.full((5,), 20.0, dtype=torch.float64))[3])


def test_what_lies_below_its_chance_is_drawn() -> None:
    keys, valid = drawn(torch.tensor([[0.5, 0.1, 1.0], [0.0, 0.3, 0.0]]), torch.tensor([[0.4, 0.2, 0.9]] * 2))
    assert sorted(keys[0][valid[0]].tolist()) == [0, 2]
    assert keys[1][valid[1]].tolist() == [1]
    assert drawn(torch.zeros(0, 3), torch.zeros(0, 3))[0].shape == (0, 0)


def test_each_key_comes_as_often_as_its_chance_says() -> None:
    """Of 20,000 rows a chance of .3 gives 6,000; four standard deviations are 4 * sqrt(20000 * .3 * .7) = 259."""
    _, valid = drawn(torch.full((20_000, 1), 0.3), numbers(20_000, 1, (1, 2, 3), torch.device("cpu")))
    assert abs(int(valid.sum()) - 6000) < 259


def test_numbers_belong_to_the_sizes_and_leave_others_alone() -> None:
    before, cpu = torch.get_rng_state(), torch.device("cpu")
    found = numbers(3, 50, (100, 0, 0), cpu)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found, numbers(3, 50, (100, 0, 0), cpu))
    assert not torch.equal(found, numbers(3, 50, (101, 0, 0), cpu))
    assert not torch.equal(found, numbers(3, 50, (100, 0, 3), cpu))
    assert found.min() >= 0
    assert found.max() < 1
