"""A budget split over heads: worked out by hand on made-up profiles."""

from __future__ import annotations

import pytest
from tests.allocate.small import MADE_FOR, layer, made_up

from regard.allocate import Allocation, allocate, even
from regard.allocate.heads import key_heads
from regard.allocate.profiled import Profile
from regard.spec import Focus, MeanBlocks, MinMaxBlocks, SpecError, WindowSinks
from regard.spec.budget import Budget

W, B = WindowSinks(), MinMaxBlocks(4)


def fractions(made: Allocation) -> dict[str, list[tuple[str, float]]]:
    return {
        path: [(type(each.policy).__name__, round(each.fraction or 0, 6)) for each in heads]
        for path, heads in made.layers.items()
    }


# Costs at 10 and 50 of 100 bytes; at all 100, nothing. Slopes of `steep` (WindowSinks): (8 - 1) / 40 = .175, then .02.
# Of `flat` (MinMaxBlocks is the better): (1 - .6) / 40 = .01, then .012: convex only as one segment from 10 to 100.
STEEP = layer([[[8.0, 1.0], [9.0, 7.0]]])
FLAT = layer([[[2.0, 0.9], [1.0, 0.6]]])


@pytest.mark.parametrize(
    ("share", "expected", "cost"),
    [
        (0.1, (("WindowSinks", 0.1), ("MinMaxBlocks", 0.1)), 9.0),
        (0.3, (("WindowSinks", 0.5), ("MinMaxBlocks", 0.1)), 2.0),
        # 15 of the 50 bytes on the way from 50 to 100: .5 + .5 * 15 / 50 = .65, and 1 - 1 * 15 / 50 = .7
        (0.375, (("WindowSinks", 0.65), ("MinMaxBlocks", 0.1)), 1.7),
        (1.0, (("WindowSinks", 1.0), ("WindowSinks", 1.0)), 0.0),
    ],
)
def test_two_heads_by_hand(share: float, expected: tuple[tuple[str, float], ...], cost: float) -> None:
    made = allocate(made_up(steep=STEEP, flat=FLAT), Budget(fraction=share))
    assert fractions(made) == {"steep": [expected[0]], "flat": [expected[1]]}
    assert made.cost == pytest.approx(cost)
    assert made.share == pytest.approx(share)
    assert made.unit == "nats a token"
    assert made.model == MADE_FOR


def test_a_heavier_head_gets_more() -> None:
    """The same curves twice; one of them weighs ten times as much."""
    curves = [[[8.0, 1.0], [8.0, 1.0]]]
    made = allocate(made_up(light=layer(curves), heavy=layer(curves, weight=10.0)), Budget(fraction=0.3))
    assert fractions(made) == {"light": [("WindowSinks", 0.1)], "heavy": [("WindowSinks", 0.5)]}


def test_bytes_count_not_heads() -> None:
    """A head with a tenth of the bytes costs a tenth of the budget: it is filled first."""
    curves = [[[8.0, 1.0], [8.0, 1.0]]]
    profile = made_up(large=layer(curves, full=1000.0), small=layer(curves, full=100.0))
    # least: 100 + 10 of 1,100 bytes. 90 more take the small head to all of its 100; 0 are left
    made = allocate(profile, Budget(fraction=200 / 1100))
    assert fractions(made) == {"large": [("WindowSinks", 0.1)], "small": [("WindowSinks", 1.0)]}


def test_key_heads_of_one_layer_are_allocated_apart() -> None:
    both = layer([[[8.0, 1.0], [9.0, 9.0]], [[9.0, 9.0], [1.0, 0.5]]])
    made = allocate(made_up(both=both), Budget(fraction=0.3))
    assert fractions(made) == {"both": [("WindowSinks", 0.5), ("MinMaxBlocks", 0.1)]}


def test_the_bytes_that_were_measured_count_not_the_fraction_that_was_asked_for() -> None:
    """MinMaxBlocks read 30 bytes where 10 were asked for: at 20 bytes there is only WindowSinks."""
    head = layer([[[8.0, 2.0], [1.0, 0.5]]], shares=[[[0.1, 0.5], [0.3, 0.6]]])
    profile = made_up(head=head)
    assert fractions(allocate(profile, Budget(fraction=0.1))) == {"head": [("WindowSinks", 0.1)]}
    assert fractions(allocate(profile, Budget(fraction=0.3))) == {"head": [("MinMaxBlocks", 0.1)]}
    # 20 bytes lie on the hull's line from WindowSinks' 10 to MinMaxBlocks' 30; what can be run there is WindowSinks at
    # .1 + .4 * 10 / 40 = .2, at 8 - 6 / 4 = 6.5
    made = allocate(profile, Budget(fraction=0.2))
    assert fractions(made) == {"head": [("WindowSinks", 0.2)]}
    assert made.cost == pytest.approx(6.5)


def test_it_is_never_worse_than_plain_window_and_sinks() -> None:
    """Two heads whose hulls leave nobody but window and sinks to run in between: at 35 % spread evenly window and sinks
    cost 2 each; the one head inside a segment must not make it worse."""
    curves = [[[8.0, 0.0], [8.0, 7.9]]]
    profile = made_up(one=layer(curves), two=layer(curves))
    for share in (0.1, 0.2, 0.35, 0.5, 0.8):
        plain = even(profile, Budget(fraction=share, policy=W))
        made = allocate(profile, Budget(fraction=share))
        assert made.cost is not None
        assert plain.cost is not None
        assert made.cost <= plain.cost + 1e-12
        assert made.share == pytest.approx(min(share, made.share or 0))


def test_bytes_that_buy_nothing_are_not_spent() -> None:
    """Between 10 bytes and the 30 of MinMaxBlocks there is only WindowSinks, to which more bytes are no use."""
    head = layer([[[8.0, 8.0], [1.0, 0.5]]], shares=[[[0.1, 0.5], [0.3, 0.6]]])
    made = allocate(made_up(head=head), Budget(fraction=0.2))
    assert fractions(made) == {"head": [("WindowSinks", 0.1)]}
    assert made.share == pytest.approx(0.1)


def test_even_costs_what_the_curves_say() -> None:
    profile = made_up(steep=STEEP, flat=FLAT)
    made = even(profile, Budget(fraction=0.3, policy=W))
    assert fractions(made) == {"steep": [("WindowSinks", 0.3)], "flat": [("WindowSinks", 0.3)]}
    assert made.cost == pytest.approx((8 + 1) / 2 + (2 + 0.9) / 2)  # half way from .1 to .5
    assert even(profile, Budget(fraction=0.75, policy=W)).cost == pytest.approx(1.9 / 2)  # half way to everything
    assert even(profile, Budget(fraction=0.1, policy=B)).cost == pytest.approx(10.0)
    assert even(profile, Budget(fraction=1.0, policy=B)).cost == 0.0


@pytest.mark.parametrize("budget", [Budget(fraction=0.05, policy=W), Budget(fraction=0.3, policy=MeanBlocks(4))])
def test_what_was_not_measured_has_no_expected_cost(budget: Budget) -> None:
    made = even(made_up(steep=STEEP, flat=FLAT), budget)
    assert (made.cost, made.share) == (None, budget.fraction)
    assert made.layers == {"steep": (budget,), "flat": (budget,)}


@pytest.mark.parametrize("call", [allocate, even])
def test_what_cannot_be_split(call: object) -> None:
    profile = made_up(steep=STEEP)
    for budget in (Budget(keys=5), Budget(tolerance=0.1), 0.1):
        with pytest.raises(SpecError, match=r"give Budget\(fraction=0.1\)"):
            call(profile, budget)  # type: ignore[operator]
    with pytest.raises(SpecError, match="has no samples yet"):
        call(Profile(MADE_FOR, (W,), (0.1,), 1), Budget(fraction=0.1))  # type: ignore[operator]


def test_a_policy_of_the_budgets_own_is_not_dropped() -> None:
    todo = r"each head gets one that was profiled; leave policy= out, or .* even\("
    for policy in (B, W):
        with pytest.raises(SpecError, match=todo) as told:
            allocate(made_up(steep=STEEP), Budget(fraction=0.3, policy=policy))
        assert repr(policy) in str(told.value)
    assert allocate(made_up(steep=STEEP), Budget(fraction=0.3, policy=Focus())).cost is not None


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(SpecError, match="the least that was measured"):
        allocate(made_up(steep=STEEP), Budget(fraction=0.05))


def test_curves_have_everything_at_their_end() -> None:
    (head,) = key_heads(made_up(steep=STEEP))
    assert head.curves[W][-1] == (100.0, 0.0, 1.0)
    assert head.at_bytes(100.0)[0].cost == 0.0
    assert head.at_bytes(200.0)[0].bytes == 100.0
