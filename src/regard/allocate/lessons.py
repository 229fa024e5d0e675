"""What the texts of a profile teach about a layer's keys and queries, so that sketches need not learn it anew."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regard.allocate.numbers_form import packed, sizes, unpacked
from regard.allocate.stored import exactly
from regard.kernels import sketch_moments
from regard.kernels.sketch_basis import Basis, rank_of
from regard.kernels.sketch_moments import Lesson, Moment
from regard.spec.errors import DataError, RegardError
from regard.spec.policy import Focus, Policy
from regard.spec.request import Request

_ENTRIES = ("heads", "dim", "value_dim", "queries", "moment", "grains")
_GRAIN = ("rank", "keys", "numbers")


def ranks(policies: Iterable[Policy], dim: int) -> dict[int, int]:
    """The most directions that these policies look at, by their grain."""
    found: dict[int, int] = {}
    for policy in policies:
        if isinstance(policy, Focus) and rank_of(policy.sketch, dim) >= 2:
            found[policy.grain] = max(found.get(policy.grain, 0), rank_of(policy.sketch, dim))
    return found


@dataclass(frozen=True, eq=False)
class Lessons:
    """Of all key heads of one layer: the second moment of its queries, and what its keys and values teach, by the
    number of keys in a block. Sums over texts: `plus` adds those of others."""

    asked: Moment
    grains: Mapping[int, Lesson]

    @classmethod
    def of(cls, request: Request, policies: Iterable[Policy]) -> Lessons | None:
        """Of one call's queries, keys and values; None where there is no policy with a sketch, or nothing to learn."""
        grains: dict[int, Lesson] = {}
        asked: Moment | None = None
        for grain, rank in ranks(policies, request.key.shape[3]).items():
            parts = (each.detach() for each in (request.key, request.value, request.query))
            try:
                grains[grain], asked = sketch_moments.lesson(*parts, grain=grain, rank=rank)
            except RegardError:  # too short, or numbers that are not finite: other texts may teach it
                continue
        return None if asked is None else cls(asked, grains)

    def plus(self, other: Lessons) -> Lessons:
        """Of the texts of both."""
        grains = dict(self.grains)
        for grain, each in other.grains.items():
            grains[grain] = grains[grain].plus(each) if grain in grains else each
        return Lessons(self.asked.plus(other.asked), grains)

    def basis(self, head: int, policy: Policy) -> Basis | None:
        """For one key head under a policy; None where it has no sketch, or no text was long enough to teach one."""
        if not isinstance(policy, Focus) or policy.grain not in self.grains:
            return None
        found = self.grains[policy.grain]
        rank = rank_of(policy.sketch, found.dim)
        if rank > found.rank:
            return None
        own = range(head, head + 1)
        asked = Moment(self.asked.total[head : head + 1], self.asked.count)
        return sketch_moments.learnt(sketch_moments.of_heads(found, own), asked, rank=rank, bits=min(policy.bits, 8))

    def plain(self) -> dict[str, Any]:
        """As plain values, to the last bit. Of a moment, which is symmetric, the half on and above the diagonal."""
        heads, dim, _ = self.asked.total.shape
        grains = {
            str(grain): {
                "rank": each.rank,
                "keys": each.keys.count,
                "numbers": packed(_half(each.keys.total), each.most, each.code_votes, each.step_votes),
            }
            for grain, each in self.grains.items()
        }
        value_dim = next(iter(self.grains.values())).most.shape[2] - dim
        shown = {"heads": heads, "dim": dim, "value_dim": value_dim, "queries": self.asked.count}
        return {**shown, "moment": packed(_half(self.asked.total)), "grains": grains}

    @classmethod
    def from_plain(cls, given: Any, policies: Iterable[Policy], where: str) -> Lessons:
        """What `plain` gave, for these policies. Raises `DataError` for anything else."""
        found = exactly(given, _ENTRIES, where)
        heads, dim, value_dim, queries = sizes(found, _ENTRIES[:4], where)
        half = (heads, dim * (dim + 1) // 2)
        (moment,) = unpacked(found["moment"], [half], f"{where}, moment")
        wanted = {str(grain): rank for grain, rank in ranks(policies, dim).items()}
        if not isinstance(found["grains"], dict) or not found["grains"] or set(found["grains"]) - set(wanted):
            raise DataError(f"{where}, grains: expected some of {', '.join(wanted) or 'none'}; make the profile again")
        grains = {}
        for name, each in found["grains"].items():
            at = f"{where}, grain {name}"
            rank, count = sizes(exactly(each, _GRAIN, at), _GRAIN[:2], at)
            if rank != wanted[name]:
                raise DataError(f"{at}: it is for {rank} directions, its policies look at {wanted[name]}")
            both = dim + value_dim
            shapes = [half, (heads, 1, both), (sketch_moments.WIDTHS, heads, 1, rank)]
            shapes.append((sketch_moments.SHRINKS, heads, 1, both))
            keys, *others = unpacked(each["numbers"], shapes, at)
            grains[int(name)] = Lesson(Moment(_whole(keys, dim), count), *others)
        return cls(Moment(_whole(moment, dim), queries), grains)


def _half(total: Tensor) -> Tensor:
    """(heads, x, x) -> (heads, x * (x + 1) / 2)"""
    rows, columns = torch.triu_indices(*total.shape[1:]).unbind(0)
    return total[:, rows, columns]


def _whole(half: Tensor, dim: int) -> Tensor:
    rows, columns = torch.triu_indices(dim, dim).unbind(0)
    made = half.new_zeros(len(half), dim, dim)
    made[:, rows, columns] = half
    made[:, columns, rows] = half
    return made
