"""`allocate`: a total budget, split over layers and key heads by what each costs."""

from __future__ import annotations

from collections.abc import Mapping

from regard.allocate.allocation import Allocation
from regard.allocate.heads import KeyHead, Mark, key_heads
from regard.allocate.lessons import Lessons
from regard.allocate.profiled import Profile
from regard.allocate.water import fill, hull
from regard.kernels.sketch_basis import Basis
from regard.spec.budget import Budget
from regard.spec.errors import SpecError
from regard.spec.policy import Focus, WindowSinks
from regard.spec.value import described


def allocate(profile: Profile, budget: Budget) -> Allocation:
    """Split a budget over the profile's heads so that what they cost together is least.

    `budget.fraction` is a share of the bytes that all heads' keys and values take for a token, at the lengths of the
    profile's samples. Each head gets the policy, of those that were profiled, and the fraction by water-filling on its
    measured curves (`regard.allocate.water`), so that the budget names no policy of its own. Never more costly, on the
    profile, than plain WindowSinks with the same fraction everywhere.

    Raises:
        SpecError: a budget of keys or a tolerance, one with a policy, one that is less than the profile's least, or a
            profile without samples.
    """
    _refuse_policy(budget)
    total = _share(budget) * profile.full
    heads = key_heads(profile)
    offered = [head.points() for head in heads]
    levels = fill([hull(points) for points, _ in offered], total)
    marks, given = [], []
    for head, (_, budgets), level in zip(heads, offered, levels, strict=True):
        own, point = budgets[level.point.choice], level.point
        mark = Mark(point.bytes, point.cost, _share(own))
        if level.more:
            # the one head that ends between two corners of its hull: no mixture, but the best policy at that size
            further, policy = head.at_bytes(point.bytes + level.more)
            if further.cost < mark.cost:
                mark, own = further, Budget(fraction=min(1.0, further.fraction), policy=policy)
        marks.append(mark)
        given.append(own)
    made = _allocation(profile, heads, marks, given)
    plain = even(profile, Budget(fraction=budget.fraction, policy=WindowSinks()))
    assert made.cost is not None
    return plain if plain.cost is not None and plain.cost < made.cost else made


def even(profile: Profile, budget: Budget) -> Allocation:
    """The same fraction and `budget.policy` for every head, for comparison.

    What it costs is told where the policy was profiled; between two measured fractions it is taken to lie on a line.

    Raises:
        SpecError: a budget of keys or a tolerance, or a profile without samples.
    """
    share, heads = _share(budget), key_heads(profile)
    marks = [head.at_fraction(budget) for head in heads]
    known = [mark for mark in marks if mark is not None]
    if len(known) == len(marks):
        return _allocation(profile, heads, known, [budget] * len(heads))
    layers: dict[str, tuple[Budget, ...]] = {}
    for head in heads:
        layers[head.path] = (*layers.get(head.path, ()), budget)
    return Allocation(profile.model, layers, share=share, unit=profile.unit, bases=_bases(profile, layers))


def _allocation(profile: Profile, heads: list[KeyHead], marks: list[Mark], given: list[Budget]) -> Allocation:
    layers: dict[str, tuple[Budget, ...]] = {}
    for head, budget in zip(heads, given, strict=True):
        layers[head.path] = (*layers.get(head.path, ()), budget)
    share, cost = sum(mark.bytes for mark in marks) / profile.full, sum(mark.cost for mark in marks)
    return Allocation(profile.model, layers, share, cost, profile.unit, _bases(profile, layers))


def _bases(profile: Profile, layers: Mapping[str, tuple[Budget, ...]]) -> dict[str, tuple[Basis | None, ...]]:
    """Those that the budgets use; a layer without any is left out."""
    found = {}
    for path, lessons in profile.lessons().items():
        bases = tuple(_basis(lessons, head, budget) for head, budget in enumerate(layers[path]))
        if any(each is not None for each in bases):
            found[path] = bases
    return found


def _basis(lessons: Lessons, head: int, budget: Budget) -> Basis | None:
    return None if budget.fraction == 1 else lessons.basis(head, budget.policy)


def _refuse_policy(budget: Budget) -> None:
    if isinstance(budget, Budget) and budget.policy != Focus():
        raise SpecError(
            f"allocate(profile, Budget(policy={budget.policy!r})): each head gets one that was profiled; leave policy= "
            "out, or spread this one over all heads with even(profile, budget)"
        )


def _share(budget: Budget) -> float:
    if not isinstance(budget, Budget) or budget.fraction is None:
        raise SpecError(
            f"a share of all bytes is what can be split over heads: give Budget(fraction=0.1), not {described(budget)}"
        )
    return budget.fraction
