"""Water-filling: hulls and levels worked out by hand, and against every possible choice on small grids."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regard.allocate import water
from regard.allocate.water import Level, Point, fill, hull
from regard.spec import SpecError


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(float(size), float(cost), choice) for choice, (size, cost) in enumerate(pairs)]


def spread(levels: list[Level]) -> list[tuple[float, float]]:
    return [(level.point.bytes, level.more) for level in levels]


def test_a_hull_leaves_out_what_lies_above_a_line_between_others() -> None:
    """From (1, 10) to (3, 2) the line passes (2, 6): a point at (2, 7) saves less a byte than going on does."""
    found = hull(points((1, 10), (2, 7), (3, 2), (4, 0)))
    assert [(corner.bytes, corner.cost, corner.choice) for corner in found] == [(1, 10, 0), (3, 2, 2), (4, 0, 3)]
    assert [corner.bytes for corner in hull(points((1, 10), (2, 5), (3, 2), (4, 0)))] == [1, 2, 3, 4]


def test_a_hull_has_no_corner_that_costs_more_for_more_bytes() -> None:
    found = hull(points((1, 4), (2, 5), (3, 4), (5, 1), (5, 2), (9, 1)))
    assert [(corner.bytes, corner.cost) for corner in found] == [(1, 4), (5, 1)]


def test_of_two_points_with_the_same_bytes_the_cheaper_one_counts() -> None:
    assert hull(points((2, 5), (2, 3), (4, 0))) == [Point(2, 3, 1), Point(4, 0, 2)]


@pytest.mark.parametrize("pairs", [[], [(1, math.nan)], [(math.inf, 1)], [(1, math.inf)]])
def test_curves_that_are_no_numbers_are_refused(pairs: list[tuple[float, float]]) -> None:
    with pytest.raises(SpecError, match="no numbers"):
        hull(points(*pairs))


# Savings a byte, by hand: the first head 5 then 1, the second 3, the third 2 then .5.
THREE = [
    hull(points((1, 12), (3, 2), (5, 0))),
    hull(points((1, 6), (3, 0))),
    hull(points((2, 5), (4, 1), (6, 0))),
]


@pytest.mark.parametrize(
    ("total", "expected"),
    [
        (4, [(1, 0), (1, 0), (2, 0)]),  # the least
        (6, [(3, 0), (1, 0), (2, 0)]),  # 5 a byte
        (8, [(3, 0), (3, 0), (2, 0)]),  # 3 a byte
        (9, [(3, 0), (3, 0), (2, 1)]),  # half of the next, 2 a byte
        (10, [(3, 0), (3, 0), (4, 0)]),
        (12, [(5, 0), (3, 0), (4, 0)]),  # 1 a byte
        (99, [(5, 0), (3, 0), (6, 0)]),  # everything
    ],
)
def test_three_heads_by_hand(total: float, expected: list[tuple[float, float]]) -> None:
    assert spread(fill(THREE, total)) == expected


def test_less_than_the_least_is_refused_with_the_least() -> None:
    with pytest.raises(SpecError, match="budget is 3 bytes a token, and the least that was measured takes 4"):
        fill(THREE, 3)


def mixed(levels: list[Level], hulls: list[list[Point]]) -> float:
    """The cost of the levels, with the one inside a segment as a mixture of its ends."""
    cost = 0.0
    for level, corners in zip(levels, hulls, strict=True):
        cost += level.point.cost
        if level.more:
            at = corners.index(level.point)
            step = corners[at + 1]
            cost -= (level.point.cost - step.cost) * level.more / (step.bytes - level.point.bytes)
    return cost


CURVE = st.lists(st.tuples(st.integers(1, 8), st.integers(0, 20)), min_size=1, max_size=4)


def best(heads: list[list[Point]], total: float) -> float:
    """The least cost of any choice of one point a head within the total; infinite where none fits."""
    chosen = (each for each in itertools.product(*heads) if sum(point.bytes for point in each) <= total)
    return min((sum(point.cost for point in each) for each in chosen), default=math.inf)


def best_mixture(hulls: list[list[Point]], total: float) -> float:
    """The least cost where heads may be given mixtures. A sum of convex curves of straight pieces under one constraint
    has an optimum at which all heads but one stand on corners: every such choice is tried."""
    marks = [sorted({corner.bytes for corner in corners}) for corners in hulls]

    def cost(corners: list[Point], size: float) -> float:
        for low, high in itertools.pairwise(corners):
            if low.bytes <= size <= high.bytes:
                return low.cost + (high.cost - low.cost) * (size - low.bytes) / (high.bytes - low.bytes)
        return corners[-1].cost if size >= corners[-1].bytes else math.inf

    found = math.inf
    for free in range(len(hulls)):
        others = [mark for head, mark in enumerate(marks) if head != free]
        for sizes in itertools.product(*others):
            left = total - sum(sizes)
            fixed = [corners for head, corners in enumerate(hulls) if head != free]
            whole = sum(cost(corners, size) for corners, size in zip(fixed, sizes, strict=True))
            found = min(found, whole + cost(hulls[free], left))
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(CURVE, min_size=1, max_size=3), st.integers(0, 12))
def test_it_is_the_optimum_of_all_mixtures_and_no_worse_than_any_choice(
    curves: list[list[tuple[int, int]]], more: int
) -> None:
    heads = [points(*curve) for curve in curves]
    hulls = [hull(head) for head in heads]
    total = sum(corners[0].bytes for corners in hulls) + more
    levels = fill(hulls, total)
    assert sum(level.point.bytes + level.more for level in levels) <= total + 1e-9
    assert sum(1 for level in levels if level.more) <= 1
    cost = mixed(levels, hulls)
    assert cost <= best(heads, total) + 1e-9
    assert cost == pytest.approx(best_mixture(hulls, total), abs=1e-9)


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Filling by the flattest slope first is found out by the heads worked out by hand."""
    real = water._slope
    monkeypatch.setattr(water, "_slope", lambda low, high: -real(low, high))
    with pytest.raises(AssertionError):
        assert spread(fill(THREE, 6)) == [(3, 0), (1, 0), (2, 0)]
