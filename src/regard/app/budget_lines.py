"""Budgets against what they cost, as lines: measured by `compare`, or expected from a profile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regard.allocate.allocate import allocate, even
from regard.allocate.comparison import Comparison
from regard.allocate.profiled import Profile
from regard.spec.budget import Budget
from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Spot:
    """share: of all bytes. cost: in the line's unit, with its standard error where it is known."""

    share: float
    cost: float
    error: float | None = None


@dataclass(frozen=True)
class Line:
    """One way of spending at several budgets, by rising share."""

    name: str
    spots: tuple[Spot, ...]


def measured(comparison: Comparison, named: Sequence[tuple[str, str]]) -> list[Line]:
    """`named`: for each run of the comparison, the line it belongs to and its name."""
    lines: dict[str, list[Spot]] = {}
    for line, name in named:
        ran = comparison[name]
        cost = ran.increase if ran.increase is not None else ran.off
        if cost is not None:
            lines.setdefault(line, []).append(Spot(ran.share, cost, ran.increase_error))
    return _rising(lines)


def expected(profile: Profile) -> list[Line]:
    """What the profile lets expect at its own fractions: allocated, and each policy spread evenly."""
    lines: dict[str, list[Spot]] = {}
    for fraction in profile.fractions:
        try:
            made = [("allocated", allocate(profile, Budget(fraction=fraction)))]
        except SpecError:  # less than the least that was measured, where a policy reads more than it was given
            made = []
        for policy in profile.policies:
            made.append((f"even, {policy!r}", even(profile, Budget(fraction=fraction, policy=policy))))
        for name, allocation in made:
            if allocation.cost is not None and allocation.share is not None:
                lines.setdefault(name, []).append(Spot(allocation.share, allocation.cost))
    return _rising(lines)


def best_even(lines: Sequence[Line]) -> list[Line]:
    """The line "allocated", and of the others the one that costs least over all: more would not fit on a terminal."""
    others = [line for line in lines if line.name != "allocated"]
    least = min(others, key=lambda line: sum(spot.cost for spot in line.spots), default=None)
    return [line for line in lines if line.name == "allocated" or line is least]


def _rising(lines: dict[str, list[Spot]]) -> list[Line]:
    return [Line(name, tuple(sorted(spots, key=lambda spot: spot.share))) for name, spots in lines.items()]
