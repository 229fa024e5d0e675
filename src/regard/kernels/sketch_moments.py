"""What a basis is learnt from, as sums: those of several texts are added up, and one basis is learnt from all.

The second moments of queries and of keys about their block's mean are added up as they are, and so are the largest
numbers that 8-bit steps reach: a basis of two texts is that of both together. Which of a few widths rounds best depends
on the directions, which are known only in the end: there each text votes, by the squared errors that it has with its
own directions, in units of its own spread.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.kernels import sketch_basis
from regard.kernels.sketch import plainly, teaching
from regard.kernels.sketch_basis import Basis
from regard.spec.errors import SpecError

FINE = 4  # bits, the one size of steps for which several widths are tried
WIDTHS, SHRINKS = len(sketch_basis.CLIPS), len(sketch_basis.SHRINKS[FINE])


@dataclass(frozen=True, eq=False)
class Moment:
    """The sum of the outer products of `count` vectors, for each key head: (kv_heads, x, x) float32."""

    total: Tensor
    count: int

    @classmethod
    def of(cls, numbers: Tensor) -> Moment:
        """Of (kv_heads, n, x), n >= 1."""
        count = numbers.shape[1]
        return cls((sketch_basis.squares(numbers) * count).float().cpu(), count)

    @property
    def mean(self) -> Tensor:
        return self.total.double() / self.count

    def plus(self, other: Moment) -> Moment:
        return Moment((self.total.double() + other.total.double()).float(), self.count + other.count)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the keys and values of some texts teach at one grain; float32, on the CPU.

    keys: of the residuals. most: (kv_heads, 1, d + e), the largest residuals of keys and values. code_votes: (widths,
    kv_heads, 1, rank) and step_votes (shrinks, kv_heads, 1, d + e): mean square errors over the variance, or over the
    square of the largest, times how many keys they are of.
    """

    keys: Moment
    most: Tensor
    code_votes: Tensor
    step_votes: Tensor

    @property
    def rank(self) -> int:
        return self.code_votes.shape[3]

    @property
    def dim(self) -> int:
        return self.keys.total.shape[2]

    def plus(self, other: Lesson) -> Lesson:
        """Of the texts of both."""
        return Lesson(
            self.keys.plus(other.keys),
            torch.maximum(self.most, other.most),
            self.code_votes + other.code_votes,
            self.step_votes + other.step_votes,
        )


@torch.no_grad()
def lesson(key: Tensor, value: Tensor, query: Tensor | None, *, grain: int, rank: int) -> tuple[Lesson, Moment | None]:
    """What one cache teaches, and the moment of its queries. Shapes as for `Sketch.of`, whose first half this is.

    Raises `SpecError` where there is no whole block of keys, or a number is not finite.
    """
    if key.shape[2] < grain:
        raise SpecError(f"{key.shape[2]} keys are no whole block of {grain}: they teach nothing")
    kv_heads = key.shape[1]
    with plainly(key.device):
        keys, values, asked = teaching(key, value, query, grain)
        found = sketch_basis.by_head(keys, kv_heads)
        both = torch.cat((found, sketch_basis.by_head(values, kv_heads)), -1)
        moment = None
        if asked is not None and asked.shape[2]:
            moment = Moment.of(sketch_basis.by_head(asked.float(), kv_heads))
        residuals = Moment.of(found)
        directions, _ = sketch_basis.maps(residuals.mean, None if moment is None else moment.mean, rank)
        numbers = found @ directions.to(found)
        most, count = sketch_basis.largest(both), found.shape[1]
        codes = sketch_basis.code_off(numbers) / sketch_basis.deviation(numbers).double().square()
        steps = sketch_basis.step_off(both, FINE) / most.double().square()
        made = Lesson(residuals, most.cpu(), (codes * count).float().cpu(), (steps * count).float().cpu())
    return made, moment


def learnt(found: Lesson, asked: Moment | None, *, rank: int, bits: int) -> Basis:
    """The basis of all texts of a lesson; `asked` of their queries, None where nothing is known of what will be asked.

    Of one text it is what `Sketch.of` learns from it, up to rounding. Raises `SpecError` for more directions than the
    lesson has votes for.
    """
    if rank > found.rank:
        raise SpecError(
            f"a basis of {rank} directions was asked for; the texts were read for {found.rank}: read them again"
        )
    covariance = found.keys.mean
    key, back = sketch_basis.maps(covariance, None if asked is None else asked.mean, rank)
    wide = key.double()
    variance = (wide * (covariance @ wide)).sum(1, keepdim=True)  # (kv_heads, 1, rank)
    spread = variance.clamp_min(0).sqrt().float().clamp_min(sketch_basis.TINY)
    step = spread * sketch_basis.widths(key.device)[found.code_votes[..., :rank].argmin(0)]
    votes = found.step_votes if bits == FINE else found.step_votes[:1]
    steps = sketch_basis.full_step(found.most, votes, bits)
    return Basis(key / step, back * step, steps[..., : found.dim], steps[..., found.dim :], bits=min(bits, 8))


def of_heads(found: Lesson, heads: range) -> Lesson:
    """Of some key heads."""
    some = slice(heads.start, heads.stop)
    keys = replace(found.keys, total=found.keys.total[some])
    return Lesson(keys, found.most[some], found.code_votes[:, some], found.step_votes[:, some])
