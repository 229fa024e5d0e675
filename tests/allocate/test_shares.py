"""Which keys stay, and how many each head gets: by hand."""

from __future__ import annotations

import math

import pytest
import torch

from regard.allocate import Eviction
from regard.allocate.shares import chosen, filled, worth
from regard.allocate.storage import Mass

RECEIVED = torch.tensor([[0.5, 4.0, 0.1, 3.0, 0.2, 0.3, 2.0, 0.4]])

ONES = torch.ones_like(RECEIVED)
MASS = Mass(RECEIVED, ONES, None)


def test_the_first_and_the_latest_stay_and_of_the_others_those_that_received_most() -> None:
    eviction = Eviction(keys=5, first=1, latest=0.4)  # of 5: 1 first, 2 latest, so 2 by mass: keys 1 and 3
    found = worth(eviction, MASS, 5)
    assert found[0].tolist() == [math.inf, 4.0, *RECEIVED[0, 2:6].tolist(), math.inf, math.inf]
    assert chosen(found, 5).tolist() == [[0, 1, 3, 6, 7]]


@pytest.mark.parametrize("by", ["received", "total", "random"])
def test_mass_is_not_changed_by_being_judged(by: str) -> None:
    before = RECEIVED.clone()
    worth(Eviction(keys=5, pool=3, by=by), MASS, 5)
    assert torch.equal(RECEIVED, before)


def test_a_key_is_judged_by_the_queries_that_could_see_it() -> None:
    """The second key received most in all, from eight queries; the fourth more from each of its four."""
    mass = Mass(RECEIVED, torch.tensor([[9.0, 8, 7, 4, 4, 3, 2, 1]]), None)
    eviction = Eviction(keys=3, first=0, latest=0)
    torch.testing.assert_close(worth(eviction, mass, 3)[0, 1:4], torch.tensor([0.5, 0.1 / 7, 0.75]))
    assert chosen(worth(eviction, mass, 3), 2).tolist() == [[6, 7]]
    assert chosen(worth(eviction, mass, 3), 3).tolist() == [[3, 6, 7]]
    assert chosen(worth(Eviction(keys=3, first=0, latest=0, by="total"), mass, 3), 3).tolist() == [[1, 3, 7]]


def test_padding_goes_first_and_spared_keys_are_counted_from_an_items_own_tokens() -> None:
    real = torch.tensor([[False, False, False, True, True, True, True, True], [True] * 6 + [False] * 2])
    found = worth(Eviction(keys=4, first=1, latest=0.25), Mass(RECEIVED.expand(2, 8), ONES.expand(2, 8), real), 4)
    inf = math.inf
    torch.testing.assert_close(found[0], torch.tensor([-1, -1, -1, inf, 0.2, 0.3, 2.0, inf]))
    torch.testing.assert_close(found[1], torch.tensor([inf, 4.0, 0.1, 3.0, 0.2, inf, -1, -1]))
    assert chosen(found, 4).tolist() == [[3, 5, 6, 7], [0, 1, 3, 5]]
    assert chosen(found, 6)[1].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_pool_lifts_the_neighbours_of_a_heavy_key() -> None:
    mass = torch.tensor([[0.0, 0.0, 9.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
    found = worth(Eviction(keys=4, first=0, latest=0, pool=3), Mass(mass, ONES, None), 4)
    torch.testing.assert_close(found[0, :7], torch.tensor([0, 3, 3, 3, 1 / 3, 1 / 3, 1 / 3]))
    assert found[0, 7] == math.inf


def test_random_keys_are_the_same_each_time() -> None:
    eviction = Eviction(keys=4, first=0, latest=0, by="random")
    found = [worth(eviction, MASS, 4) for _ in range(2)]
    assert torch.equal(*found)
    assert bool((found[0][0, :7] < 1).all())
    assert not torch.equal(found[0].argsort(), RECEIVED.argsort())


def test_keys_go_to_the_heads_they_are_worth_most_to() -> None:
    """Two heads, 3 keys each on average. Beyond the latest key of each, the largest four of all: 9, 8 and 7 of the
    first head and 6 of the second."""
    first = torch.tensor([[9.0, 8.0, 7.0, 0.1, 0.1, math.inf]])
    second = torch.tensor([[6.0, 0.2, 0.2, 0.2, 0.2, math.inf]])
    eviction = Eviction(keys=3, first=0, latest=0, least=0.0, sizes="heads")
    assert filled(eviction, [first, second], 3) == [4, 2]
    assert filled(Eviction(keys=3, first=0, latest=0, least=1.0, sizes="heads"), [first, second], 3) == [3, 3]


def test_what_is_lost_is_least() -> None:
    """Against every other way to share out the same number of keys."""
    source = torch.Generator().manual_seed(3)
    worths = [torch.rand(1, 6, generator=source) ** power for power in (1, 4, 12)]
    eviction = Eviction(keys=3, first=0, latest=0, least=0.0, sizes="heads")
    found = filled(eviction, worths, 3)

    def lost(sizes: list[int]) -> float:
        return sum(
            float(each.sort(descending=True).values[0, size:].sum()) for each, size in zip(worths, sizes, strict=True)
        )

    ways = [[a, b, 9 - a - b] for a in range(1, 7) for b in range(1, 7) if 1 <= 9 - a - b <= 6]
    assert sum(found) == 9
    assert lost(found) <= min(map(lost, ways)) + 1e-6
    assert found[0] > found[2]  # the flat head needs more


def test_items_of_a_batch_share_their_sizes() -> None:
    """The first head's second key is worth 4 to one item and nothing to the other: 2 on average, less than the other
    head's second and third, of 3 and 2.5."""
    first = torch.tensor([[4.0, 0.0, math.inf], [0.0, 0.0, math.inf]])
    second = torch.tensor([[3.0, 2.5, math.inf], [3.0, 2.5, math.inf]])
    eviction = Eviction(keys=2, first=0, latest=0, least=0.0, sizes="heads")
    assert filled(eviction, [first, second], 2) == [1, 3]
    assert filled(eviction, [first[:1], second[:1]], 2) == [2, 2]


def test_heads_that_hold_less_than_their_share() -> None:
    """The second head has two keys: it cannot get three, and the first does not get what it leaves."""
    worths = [torch.ones(1, 8), 2 * torch.ones(1, 2)]
    assert filled(Eviction(keys=3, first=0, latest=0, sizes="heads"), worths, 3) == [3, 2]
