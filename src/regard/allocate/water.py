"""Water-filling: a total spread over heads so that the sum of their costs is least.

Each head offers points (bytes, cost). Over mixtures of its points a head's least cost is their lower convex hull, and
the sum over heads is least when bytes go where the next one saves most: greedily, in the order of the hulls' slopes.
That is the exact optimum of the problem with mixtures (Fox 1966; Shoham and Gersho 1988, for bits of quantisers). Only
the one head at which the total runs out lies inside a segment; all others stand on measured points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Point:
    """What a head may be given: bytes, what that costs, and which of the head's choices it is."""

    bytes: float
    cost: float
    choice: int


@dataclass(frozen=True)
class Level:
    """What a head is given: one of its points, and `more` bytes on the way to the next (0 for all heads but one)."""

    point: Point
    more: float = 0.0


def hull(points: Sequence[Point]) -> list[Point]:
    """The corners of the lower convex hull, by rising bytes and falling cost.

    Raises:
        SpecError: there are none, or one is not finite.
    """
    if not points or not all(abs(each.bytes) < float("inf") and abs(each.cost) < float("inf") for each in points):
        raise SpecError(f"a head's curve has points that are no numbers: {list(points)!r}; make the profile again")
    made: list[Point] = []
    for point in sorted(points, key=lambda each: (each.bytes, each.cost, each.choice)):
        if made and point.cost >= made[-1].cost:
            continue  # more bytes for no less cost
        while len(made) > 1 and _slope(made[-2], made[-1]) <= _slope(made[-2], point):
            made.pop()
        made.append(point)
    return made


def fill(hulls: Sequence[Sequence[Point]], total: float) -> list[Level]:
    """A level for each head, `total` bytes in all at most.

    Raises:
        SpecError: the heads' least points take more than the total.
    """
    least = sum(corners[0].bytes for corners in hulls)
    if least > total * (1 + 1e-9):
        raise SpecError(
            f"the budget is {total:,.0f} bytes a token, and the least that was measured takes {least:,.0f}: ask for at "
            "least that share, or profile with a smaller fraction"
        )
    segments = [
        (_slope(corners[at], corners[at + 1]), head, at)
        for head, corners in enumerate(hulls)
        for at in range(len(corners) - 1)
    ]
    levels, left = [Level(corners[0]) for corners in hulls], total - least
    for _, head, at in sorted(segments, key=lambda each: (-each[0], each[1], each[2])):
        low, high = hulls[head][at], hulls[head][at + 1]
        step = high.bytes - low.bytes
        if step > left * (1 + 1e-9):
            levels[head] = Level(low, more=max(0.0, left))
            break
        levels[head], left = Level(high), left - step
    return levels


def _slope(low: Point, high: Point) -> float:
    """Cost saved by a byte."""
    return (low.cost - high.cost) / (high.bytes - low.bytes) if high.bytes > low.bytes else float("inf")
