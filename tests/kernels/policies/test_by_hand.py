"""Six or eight keys, one query: which keys each policy reads, and its bytes, as one counts them by hand.

The values are the unit vectors, so that the output is the weights: where it is 0 the key was not read. A key and its
value take 2 * (dim + keys) bytes: 14 for one number a key of six, 20 for two of eight.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from regard.kernels import policies
from regard.kernels.spent import Spent
from regard.spec import (
    Budget,
    Causal,
    Dot,
    HeavyHitters,
    LargestComponents,
    LargeValues,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    RandomKeys,
    SmallKeys,
    WindowSinks,
    request,
)

ONE = torch.tensor([3.0, 1.0, 2.0, 0.5, 5.0, 4.0])[:, None]  # six keys of one number
# two numbers a key: the second block could hold a key of score 6 for the query (1, 1), but its keys score 0
TWO = torch.tensor([[0.0, 0.0]] * 2 + [[3.0, -3.0], [-3.0, 3.0], [1.0, 1.0], [1.0, 1.0], [0.0, 0.0], [0.0, 0.0]])


def spent(policy: Policy, key: Tensor, query: list[float], scale: Tensor | None = None, **budget: float) -> Spent:
    value = torch.eye(len(key)) if scale is None else torch.diag(scale)
    asked = request(torch.tensor(query).view(1, 1, 1, -1), key[None, None], value[None, None], score=Dot())
    return policies.spend(asked, Budget(policy=policy, **budget))  # type: ignore[arg-type]


def keys(found: Spent) -> list[int]:
    return found.output[0, 0, 0].nonzero()[:, 0].tolist()


@pytest.mark.parametrize(
    ("policy", "count", "read"),
    [
        (WindowSinks(first=1), 3, [0, 4, 5]),
        (WindowSinks(first=4), 2, [0, 5]),
        (WindowSinks(first=4), 1, [5]),
        (WindowSinks(first=0), 2, [4, 5]),
        (WindowSinks(), 99, [0, 1, 2, 3, 4, 5]),
        (HeavyHitters(0.5, torch.tensor([[[5.0, 1.0, 9.0, 2.0, 0.0, 0.0]]])), 4, [0, 2, 4, 5]),
        (HeavyHitters(0.0, torch.tensor([[[5.0, 1.0, 9.0, 2.0, 0.0, 0.0]]])), 2, [2, 5]),
        # votes of 9 and 6 are shared by three keys each: 3 3 5 2 2 0
        (ObservedWindow(1, 3, torch.tensor([[[0.0, 9.0, 0.0, 6.0, 0.0, 0.0]]])), 2, [2, 5]),
        (ObservedWindow(2, 1, torch.tensor([[[0.0, 9.0, 0.0, 6.0, 0.0, 0.0]]])), 3, [1, 4, 5]),
        (ObservedWindow(32, 7, torch.tensor([[[0.0, 9.0, 0.0, 6.0, 0.0, 0.0]]])), 2, [4, 5]),
        (SmallKeys(latest=0.1), 3, [1, 3, 5]),
        (SmallKeys(latest=1.0), 3, [3, 4, 5]),
        (PerfectKeys(), 3, [0, 4, 5]),
        (PerfectKeys(), 1, [4]),
    ],
    ids=repr,
)
def test_keys_of_one_number(policy: Policy, count: int, read: list[int]) -> None:
    found = spent(policy, ONE, [1.0], keys=count)
    assert keys(found) == read
    assert found.bytes.tolist() == [[[14.0 * len(read)]]]
    assert found.full == 6 * 14
    weights = torch.softmax(ONE[read, 0], 0)
    torch.testing.assert_close(found.output[0, 0, 0, read], weights)
    torch.testing.assert_close(found.lse[0, 0, 0], ONE[read, 0].logsumexp(0))


def test_large_values_spares_half_of_what_fits_at_the_start() -> None:
    found = spent(LargeValues(latest=0.1), ONE, [1.0], torch.tensor([1.0, 1.0, 2.0, 8.0, 9.0, 1.0]), keys=4)
    assert keys(found) == [0, 1, 4, 5]


def test_min_max_blocks_take_the_bound_at_its_word() -> None:
    """Four blocks, two vectors of two numbers each: 32 bytes; then six keys of 20, the first and last block's too."""
    found = spent(MinMaxBlocks(2), TWO, [1.0, 1.0], fraction=152 / 160)
    assert keys(found) == [0, 1, 2, 3, 6, 7]
    assert found.bytes.tolist() == [[[152.0]]]


def test_mean_blocks_judge_by_the_mean_key() -> None:
    """Four mean keys of two numbers: 16 bytes; then six keys of 20."""
    found = spent(MeanBlocks(2), TWO, [1.0, 1.0], fraction=136 / 160)
    assert keys(found) == [0, 1, 4, 5, 6, 7]
    assert found.bytes.tolist() == [[[136.0]]]


def test_perfect_blocks_pay_for_what_they_read_only() -> None:
    found = spent(PerfectBlocks(2), TWO, [1.0, 1.0], keys=2)
    assert keys(found) == [4, 5]
    assert found.bytes.tolist() == [[[40.0]]]


def test_a_block_is_cut_short_where_the_budget_ends_in_it() -> None:
    found = spent(MeanBlocks(2), TWO, [1.0, 1.0], fraction=116 / 160)
    assert keys(found) == [0, 1, 4, 6, 7]
    assert found.bytes.tolist() == [[[116.0]]]


def test_blocks_without_room_for_the_bounds_read_the_first_and_the_latest() -> None:
    """32 bytes of bounds and 40 of the newest block are more than 60: three keys instead, and no bounds."""
    found = spent(MinMaxBlocks(2), TWO, [1.0, 1.0], keys=3)
    assert keys(found) == [0, 1, 7]
    assert found.bytes.tolist() == [[[60.0]]]


def test_low_rank_keys_see_the_first_direction_only() -> None:
    """Keys vary along the first axis, so that one direction hides the second, on which the query is large. Six keys of
    one number and a basis of two take 16 bytes; then three keys of 16."""
    key = torch.tensor([[4.0, 0.0], [-4.0, 0.1], [0.0, 0.2], [2.0, 0.0], [-2.0, 0.3], [0.0, 0.1]])
    found = spent(LowRankKeys(1), key, [1.0, 9.0], fraction=64 / 96)
    assert keys(found) == [0, 3, 5]
    assert found.bytes.tolist() == [[[64.0]]]


def test_largest_components_give_what_is_left_to_the_mean_value() -> None:
    """The query (3, 1) is judged by its first component: 3 x / sqrt(3/4), where Dot has 3 x + y."""
    x, y = torch.tensor([1.0, 0.0, 0.5, 0.0, 0.0, 0.0]), torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0, 1.0])
    found = spent(LargestComponents(1), torch.stack((x, y), 1), [3.0, 1.0], fraction=72 / 96)
    guess = torch.softmax(3 * x / math.sqrt(3 / 4), 0)  # Dot has no sqrt(dim)
    read = [0, 2, 5]
    alpha = guess[read].sum()
    expected = torch.full((6,), float(1 - alpha) / 6)
    expected[read] += alpha * torch.softmax((3 * x + y)[read], 0)
    torch.testing.assert_close(found.output[0, 0, 0], expected)
    torch.testing.assert_close(found.lse[0, 0, 0], (3 * x + y)[read].logsumexp(0) - alpha.log())
    assert found.bytes.tolist() == [[[12.0 + 12.0 + 48.0]]]  # six numbers, the mean value, three keys


def test_random_keys_are_the_same_for_all_and_the_own_key_is_among_them() -> None:
    generator = torch.Generator().manual_seed(3)
    query, key = torch.randn(2, 2, 1, 1, generator=generator), torch.randn(2, 2, 6, 1, generator=generator)
    value = torch.eye(6).expand(2, 2, 6, 6)
    found = policies.spend(request(query, key, value), Budget(keys=3, policy=RandomKeys(5)))
    read = found.output != 0
    assert read.sum(-1).tolist() == [[[3], [3]], [[3], [3]]]
    assert bool((read == read[:1, :1]).all())
    assert bool(read[..., 5].all())
    others = [policies.spend(request(query, key, value), Budget(keys=3, policy=RandomKeys(n))) for n in range(5)]
    assert any(bool(((other.output != 0) != read).any()) for other in others)


def test_random_keys_of_a_longer_text_keep_their_numbers() -> None:
    """A key that was not read yesterday is not read today, while the query's own key moves on."""
    key, query = torch.zeros(1, 1, 40, 1), torch.zeros(1, 1, 40, 1)
    found = policies.spend(
        request(query, key, torch.eye(40)[None, None], mask=Causal()), Budget(keys=4, policy=RandomKeys(1))
    )
    read = found.output[0, 0] != 0
    for row in range(1, 40):
        new = read[row] & ~read[row - 1]
        assert set(new.nonzero()[:, 0].tolist()) <= {row, row - 1}


def test_a_group_chooses_together_by_its_mean_weights() -> None:
    """Two heads, scores 0 0 4 0 and 0 2.1 2 0: the first is nearly sure of key 2 (.95), the second is torn (.43, .39).
    The mean is highest at key 2, though the second head alone would take key 1."""
    key = torch.tensor([[0.0, 0.0], [0.0, 2.1], [4.0, 2.0], [0.0, 0.0]])[None, None]
    asked = request(torch.eye(2).view(1, 2, 1, 2), key, torch.eye(4)[None, None], score=Dot())
    found = policies.spend(asked, Budget(keys=1, policy=PerfectKeys()))
    assert found.output[0, :, 0].tolist() == [[0.0, 0.0, 1.0, 0.0]] * 2
    assert found.bytes.tolist() == [[[12.0]]]
    alone = request(torch.eye(2).view(1, 2, 1, 2)[:, 1:], key, torch.eye(4)[None, None], score=Dot())
    assert policies.spend(alone, Budget(keys=1, policy=PerfectKeys())).output[0, 0, 0].tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_query_in_mid_text_has_the_budget_of_the_keys_it_sees() -> None:
    asked = request(torch.ones(1, 1, 6, 1), ONE[None, None], torch.eye(6)[None, None], mask=Causal())
    found = policies.spend(asked, Budget(fraction=0.5, policy=WindowSinks(first=1)))
    assert [row.nonzero()[:, 0].tolist() for row in found.output[0, 0]] == [[0], [1], [2], [0, 3], [0, 4], [0, 4, 5]]
    assert found.bytes.tolist() == [[[14.0, 14.0, 14.0, 28.0, 28.0, 42.0]]]


def test_the_length_of_a_value_is_its_sum_of_magnitudes() -> None:
    """3 + 3 is more than 5, though its root of squares is less; keys 0, 1 and 5 are read in any case."""
    value = torch.tensor([[0.0, 0.0], [0.0, 0.0], [-3.0, 3.0], [5.0, 0.0], [0.0, 0.0], [0.0, 0.0]])[None, None]
    found = policies.spend(
        request(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 6, 1), value), Budget(keys=4, policy=LargeValues())
    )
    assert found.output.flatten().tolist() == [-0.75, 0.75]


def test_the_basis_is_that_of_the_first_half_or_more() -> None:
    """Six keys: the first four, which vary along the first axis only, make the basis; the last two would turn it."""
    key = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [3.0, 0.0], [-2.0, 0.0], [0.0, 9.0], [0.0, -9.0]])
    assert keys(spent(LowRankKeys(1), key, [1.0, 0.2], fraction=64 / 96)) == [0, 2, 5]


def test_low_rank_keys_read_the_first_and_the_latest_too() -> None:
    """16 of 40 keys: a quarter are the latest, one less the first, and nine are those that score best, from 20 on."""
    key = torch.zeros(40, 2).index_fill(0, torch.arange(20, 29), 1.0)
    each, beside = 2 * (2 + 40), 2 * (40 + 2)
    found = spent(LowRankKeys(1), key, [1.0, 1.0], fraction=(beside + 16 * each) / (40 * each))
    assert keys(found) == [0, 1, 2, *range(20, 29), 36, 37, 38, 39]
