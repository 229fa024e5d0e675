"""A profile's key heads as curves of bytes and cost, one a policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from regard.allocate.profiled import Profile
from regard.allocate.water import Point
from regard.spec.budget import Budget
from regard.spec.errors import SpecError
from regard.spec.policy import Policy, WindowSinks

EVERYTHING = Budget(fraction=1.0, policy=WindowSinks())


class Mark(NamedTuple):
    """A place on a policy's curve: the bytes that a fraction came to, and what it cost."""

    bytes: float
    cost: float
    fraction: float


@dataclass(frozen=True)
class KeyHead:
    """One key head: its layer's path, the bytes of all it may read, and for each policy the marks by rising fraction,
    the last of them everything, at no cost."""

    path: str
    full: float
    curves: Mapping[Policy, tuple[Mark, ...]]

    def points(self) -> tuple[list[Point], list[Budget]]:
        """The points of all policies together, and the budget that each `choice` stands for."""
        marks = [(policy, mark) for policy, curve in self.curves.items() for mark in curve[:-1]]
        budgets = [Budget(fraction=mark.fraction, policy=policy) for policy, mark in marks]
        points = [Point(mark.bytes, mark.cost, choice) for choice, (_, mark) in enumerate(marks)]
        return [*points, Point(self.full, 0.0, len(marks))], [*budgets, EVERYTHING]

    def at_bytes(self, bytes_: float) -> tuple[Mark, Policy]:
        """What costs least at so many bytes, on the lines between measured marks."""
        found = [(_between(curve, bytes_, "bytes"), policy) for policy, curve in self.curves.items()]
        known = [(mark, policy) for mark, policy in found if mark is not None]
        return min(known, key=lambda each: each[0].cost)

    def at_fraction(self, budget: Budget) -> Mark | None:
        """The mark of a budget, on the line between those beside it; None where its policy was not measured, or no
        fraction as small as its own."""
        curve = self.curves.get(budget.policy)
        assert budget.fraction is not None
        return None if curve is None else _between(curve, budget.fraction, "fraction")


def key_heads(profile: Profile) -> list[KeyHead]:
    """All key heads, layer by layer. Raises `SpecError` for a profile without samples."""
    if not profile.layers:
        raise SpecError("the profile has no samples yet: profile(model, samples) adds some")
    found = []
    for path, layer in profile.layers.items():
        full, share, cost = (each.tolist() for each in (layer["full"], layer["share"], layer["cost"]))
        for head in range(layer.kv_heads):
            curves = {
                policy: (
                    *(
                        Mark(share[head][at][place] * full[head], cost[head][at][place], fraction)
                        for place, fraction in enumerate(profile.fractions)
                    ),
                    Mark(full[head], 0.0, 1.0),
                )
                for at, policy in enumerate(profile.policies)
            }
            found.append(KeyHead(path, full[head], curves))
    return found


def _between(curve: tuple[Mark, ...], value: float, by: str) -> Mark | None:
    """The mark at `value` of the coordinate `by`; None below the first."""
    first = getattr(curve[0], by)
    if value < first * (1 - 1e-9):
        return None
    for low, high in pairwise(curve):
        start, end = getattr(low, by), getattr(high, by)
        if value <= end:
            part = min(1.0, max(0.0, (value - start) / (end - start))) if end > start else 0.0
            return Mark(*(before + part * (after - before) for before, after in zip(low, high, strict=True)))
    return curve[-1]
