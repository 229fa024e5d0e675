"""Which keys are picked, in numbers a person can sort; and the threshold that comes before torch.topk on long rows."""

from __future__ import annotations

import pytest
import torch
from tests.focus_cases import normal
from torch import Tensor

from regard.kernels import focus_pick
from regard.kernels.focus_allotted import Allotted
from regard.kernels.focus_pick import picked
from regard.spec import Focus, KernelError

PLAIN = Focus(grain=2, first=0, latest=0.0)


def row(*weights: float) -> Tensor:
    """One lane, one row, one head."""
    return torch.tensor(weights)[None, None, None]


def keys(weights: Tensor, policy: Focus, most: int, allowed: list[int] | None = None) -> list[int]:
    """Those picked and valid, in order."""
    held = None if allowed is None else torch.tensor(allowed, dtype=torch.bool)[None, None]
    whole = None if held is None else held.view(1, 1, -1, policy.grain).all(-1)
    found = picked(weights, policy, Allotted.of([most], policy, (1, 1), weights.device), held, whole)
    assert found.keys.shape == found.valid.shape
    assert len(set(found.keys[0, 0].tolist())) == found.keys.shape[2]
    return sorted(found.keys[0, 0][found.valid[0, 0]].tolist())


def test_the_keys_of_most_weight() -> None:
    weights = row(0.1, 0.5, 0.2, 0.9, 0.3, 0.0)
    assert keys(weights, PLAIN, 3) == [1, 3, 4]
    assert keys(weights, PLAIN, 6) == [0, 1, 2, 3, 4, 5]
    assert keys(weights, PLAIN, 99) == [0, 1, 2, 3, 4, 5]
    assert keys(weights, PLAIN, 0) == []


def test_the_first_come_before_the_latest_and_those_before_all_others() -> None:
    weights = row(0.1, 0.5, 0.2, 0.9, 0.3, 0.0)
    assert keys(weights, Focus(grain=2, first=1, latest=0.0), 2) == [0, 3]
    assert keys(weights, Focus(grain=2, first=0, latest=0.5), 2) == [3, 5]
    assert keys(weights, Focus(grain=2, first=2, latest=0.5), 4) == [0, 1, 4, 5]
    assert keys(weights, Focus(grain=2, first=2, latest=0.25), 4) == [0, 1, 3, 5]


def test_where_first_and_latest_are_more_than_fit_the_newest_of_the_latest_stay() -> None:
    weights = torch.linspace(0, 1, 50).flip(0)[None, None, None]
    assert keys(weights, Focus(grain=2, first=2, latest=1.0), 20) == [0, 1, *range(32, 50)]
    assert keys(weights, Focus(grain=2, first=5, latest=0.9), 20) == [*range(5), *range(35, 50)]
    assert keys(weights, Focus(grain=2, first=5, latest=0.9), 20, [1] * 50) == [*range(5), *range(35, 50)]


def test_heads_that_share_keys_choose_by_the_sum_of_their_shares() -> None:
    """The first head's numbers are large and say nothing by it: key 1 has shares 0.5 and 0.5, key 2 has 0.5 and 0.3."""
    weights = torch.tensor([[40.0, 400.0, 400.0, 40.0], [0.1, 0.5, 0.3, 0.1]])[None, None]
    assert keys(weights, PLAIN, 1) == [1]
    assert keys(weights, PLAIN, 2) == [1, 2]


def test_with_a_mask_the_first_and_the_latest_are_those_that_may_be_seen() -> None:
    weights = row(0.9, 0.9, 0.1, 0.2, 0.4, 0.3, 0.9, 0.9)
    seen = [0, 0, 1, 1, 1, 1, 0, 0]
    assert keys(weights, PLAIN, 2, seen) == [4, 5]
    assert keys(weights, Focus(grain=2, first=1, latest=0.0), 2, seen) == [2, 4]
    assert keys(weights, Focus(grain=2, first=1, latest=0.5), 2, seen) == [2, 5]
    assert keys(weights, PLAIN, 8, seen) == [2, 3, 4, 5]
    assert keys(weights, PLAIN, 4, [0] * 8) == []


def test_keys_of_blocks_that_may_be_seen_in_part_come_before_all() -> None:
    weights = row(0.9, 0.8, 0.1, 0.2, 0.7, 0.6)
    assert keys(weights, PLAIN, 2, [1, 1, 1, 0, 1, 1]) == [0, 2]
    assert keys(weights, Focus(grain=2, first=1, latest=0.5), 2, [1, 1, 1, 0, 0, 1]) == [2, 5]
    with pytest.raises(KernelError, match="a finer grain than 2"):
        keys(weights, PLAIN, 1, [1, 0, 1, 0, 1, 1])


def test_every_query_has_a_number_of_its_own() -> None:
    weights = torch.tensor([[0.1, 0.4, 0.3, 0.2], [0.4, 0.1, 0.2, 0.3], [0.1, 0.2, 0.3, 0.4]])[None, :, None]
    found = picked(weights, PLAIN, Allotted.of([1, 3, 0], PLAIN, (1, 3), weights.device), None, None)
    assert [sorted(k[v].tolist()) for k, v in zip(found.keys[0], found.valid[0], strict=True)] == [[1], [0, 2, 3], []]


# --- the threshold


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A row is long from 64 keys on, and its sample 16 of them. Gives the lengths that torch.topk is asked about."""
    monkeypatch.setattr(focus_pick, "LONG", 64)
    monkeypatch.setattr(focus_pick, "SAMPLE", 16)
    looked: list[int] = []
    original = Tensor.topk

    def counted(self: Tensor, *args: int, **more: bool) -> object:
        looked.append(self.shape[-1])
        return original(self, *args, **more)

    monkeypatch.setattr(Tensor, "topk", counted)
    return looked


def same(ranks: Tensor, count: int) -> None:
    """As many, each once, of the same ranks as torch.topk's, in order where that is asked for."""
    want = torch.sort(ranks, -1, descending=True).values[..., :count]
    for ordered in (False, True):
        found, values = focus_pick._largest(ranks, count, ordered=ordered)
        assert found.shape == values.shape == want.shape
        assert torch.equal(ranks.gather(-1, found), values)
        assert torch.equal(values if ordered else values.sort(-1, descending=True).values, want)
        assert all(len(set(keys)) == count for keys in found.flatten(0, 1).tolist())


@pytest.mark.parametrize("count", [1, 7, 20, 49, 50, 51, 100, 200])
def test_a_threshold_first_gives_what_topk_gives(count: int, short: list[int]) -> None:
    same(normal(3, 5, 200, seed=1).float(), count)
    assert (min(short) < 64) == (count <= 50)  # more than a quarter is asked of torch at once


def test_a_row_below_the_length_is_not_sampled(short: list[int]) -> None:
    same(normal(1, 2, 63, seed=1).float(), 5)
    assert set(short) == {63}


def test_rows_that_are_alike_or_closed(short: list[int]) -> None:
    ranks = normal(2, 4, 200, seed=2).float()
    ranks[0, 0] = 1.0  # constant
    ranks[0, 1] = -1.0  # nothing may be seen
    ranks[0, 2, 10:] = -1.0  # ten keys may be seen
    ranks[0, 3, :190] = 3e38  # nearly all forced
    ranks[1] = (ranks[1] * 2).round() / 2  # ties
    for count in (1, 3, 10, 20, 40):
        same(ranks, count)


def test_a_sample_that_misleads_is_dropped_for_topk(short: list[int]) -> None:
    """Every twelfth key is sampled; where those alone are large, fewer than 40 lie above what they promise."""
    ranks = torch.zeros(1, 1, 200)
    ranks[..., ::12] = torch.arange(17.0) + 1
    ranks[..., 1] = -1
    same(ranks, 40)
    assert short[-1] == 200


def test_none_are_wanted(short: list[int]) -> None:
    found, values = focus_pick._largest(torch.zeros(2, 3, 100), 0, ordered=True)
    assert found.shape == values.shape == (2, 3, 0)


def test_long_rows_as_they_come() -> None:
    """Nothing made small: 20,001 keys."""
    ranks = normal(1, 2, 20_001, seed=3).float()
    ranks[0, 0, :3], ranks[0, 1, -100:] = 2e38, 1e38
    for count in (1, 150, 4_000):
        same(ranks, count)
