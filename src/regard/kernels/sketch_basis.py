"""In which directions keys are judged, and in which steps their numbers are rounded: learnt from a prompt, then kept.

What a key says beyond the mean of its neighbours is described by few numbers. The directions are those in which it
changes scores most: eigenvectors of M^1/2 C M^1/2, with M the second moment of the queries and C the covariance of the
keys about their block's mean. In them a query's numbers have one size, so that a direction's share in the score is its
share of the keys' variance, and the first r directions are the best r.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.kernels import guard
from regard.spec.errors import ShapeError, SpecError
from regard.spec.policy import Focus
from regard.spec.value import described

CODE = 4  # bits of a number in the sketch
WIDEST = 1.25  # times the prompt's largest number: what the 8-bit steps reach
_PARTS = ("key", "query", "key_step", "value_step")
_LOWEST = 1e-3  # of the mean second moment of queries, added in every direction: what was not asked may be asked yet
CLIPS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0, 10.0)  # standard deviations that the codes may reach
TINY = 1e-30  # what is no larger counts as nothing; one by it is still a number
SHRINKS = {4: (1.0, 0.8, 0.6, 0.5), 8: (WIDEST,)}


@dataclass(frozen=True, eq=False)
class Basis:
    """One for each key head.

    key: (kv_heads, d, r), a key's residual times it is its numbers, in units of their steps. query: (kv_heads, d, r),
    with the steps multiplied in: the product of a query's and a key's numbers is the residual's part of the score.
    key_step, value_step: (kv_heads, 1, d) and (kv_heads, 1, e), of the rounded keys and values, at `bits` bits, 4 or 8.

    Raises `ShapeError` where these do not fit together, `SpecError` where a number is not finite or a step not above 0.
    """

    key: Tensor
    query: Tensor
    key_step: Tensor
    value_step: Tensor
    bits: int = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.bits not in (4, 8):
            raise SpecError(f"Basis(bits={described(self.bits)}): expected 4 or 8")
        parts = {name: getattr(self, name) for name in ("key", "query", "key_step", "value_step")}
        for name, part in parts.items():
            if not isinstance(part, Tensor) or part.dim() != 3 or not part.is_floating_point():
                raise ShapeError(
                    f"Basis({name}={described(part)}): expected floats with 3 axes, the first of key heads"
                )
        heads, dim, rank = self.key.shape
        wanted = {"query": (heads, dim, rank), "key_step": (heads, 1, dim), "value_step": (heads, 1, self.value_dim)}
        for name, shape in wanted.items():
            if tuple(parts[name].shape) != shape:
                raise ShapeError(
                    f"Basis({name}={described(parts[name])}): expected {shape}, beside key {described(self.key)}"
                )
        if not 0 < rank <= dim or rank % 2:
            raise ShapeError(f"a basis of {rank} directions of {dim}: expected an even number, from 2 to {dim}")
        if not guard.finite(*parts.values()) or not all(
            bool((parts[name] > 0).all()) for name in ("key_step", "value_step")
        ):
            raise SpecError("a basis has a number that is not finite, or a step that is not above 0: learn it again")

    @property
    def heads(self) -> int:
        return self.key.shape[0]

    @property
    def dim(self) -> int:
        return self.key.shape[1]

    @property
    def rank(self) -> int:
        return self.key.shape[2]

    @property
    def value_dim(self) -> int:
        return self.value_step.shape[2]

    @classmethod
    def joined(cls, bases: Sequence[Basis]) -> Basis:
        """The key heads of all, one after the other."""
        parts = (torch.cat([getattr(each, name) for each in bases]) for name in _PARTS)
        return cls(*parts, bits=bases[0].bits)

    def for_policy(self, policy: Focus, shape: tuple[int, int, int, int], device: torch.device) -> Basis:
        """For a cache of `shape` (batch, kv_heads, d, e), on its device. Directions come in the order of what they do
        to scores, and each has its own step, so that the first r of a larger basis are the basis of r.

        Raises:
            ShapeError: it is of other heads or dimensions.
            SpecError: it has fewer directions than the policy looks at, or steps for other bits.
        """
        _, heads, dim, value_dim = shape
        if (self.heads, self.dim, self.value_dim) != (heads, dim, value_dim):
            raise ShapeError(
                f"the basis is for {self.heads} key heads, keys of {self.dim} and values of {self.value_dim} "
                f"dimensions; the cache has {heads}, {dim} and {value_dim}: learn one on this model's keys and values"
            )
        rank = rank_of(policy.sketch, dim)
        if rank > self.rank:
            raise SpecError(
                f"the basis has {self.rank} directions, and {policy!r} looks at {rank} of {dim}: learn one for it"
            )
        if policy.bits not in (self.bits, 16):  # at 16 bits nothing is rounded in these steps
            raise SpecError(
                f"the basis has steps for {self.bits} bits, and {policy!r} rounds to {policy.bits}: learn one for it"
            )
        columns = (part[:, :, :rank] for part in (self.key, self.query))
        return Basis(*(part.to(device) for part in (*columns, self.key_step, self.value_step)), bits=self.bits)


def rank_of(bits: float, dim: int) -> int:
    """How many directions so many bits a dimension pay for; two codes share a byte. 0 where a key has no two."""
    return min(max(2, round(bits * dim / CODE / 2) * 2), dim // 2 * 2)


def learnt(keys: Tensor, values: Tensor, query: Tensor | None, rank: int, bits: int) -> Basis:
    """keys (batch, kv_heads, n, d), values (batch, kv_heads, n, e): residuals, float32, n >= 1; query (batch, heads, m,
    d) or None, where nothing is known of what will be asked."""
    kv_heads = keys.shape[1]
    found = by_head(keys, kv_heads)
    asked = None if query is None or not query.shape[2] else squares(by_head(query.float(), kv_heads))
    key, back = maps(squares(found), asked, rank)
    numbers = found @ key
    width = widths(numbers.device)[code_off(numbers).argmin(0)]
    step = deviation(numbers) * width
    others = by_head(values, kv_heads)
    steps = (full_step(largest(each), step_off(each, bits), bits) for each in (found, others))
    return Basis(key / step, back * step, *steps, bits=min(bits, 8))


def by_head(numbers: Tensor, kv_heads: int) -> Tensor:
    """(batch, heads, m, x) as (kv_heads, batch * groups * m, x)."""
    grouped = numbers.reshape(numbers.shape[0], kv_heads, -1, numbers.shape[3])
    return grouped.transpose(0, 1).flatten(1, 2)


def squares(numbers: Tensor) -> Tensor:
    """(kv_heads, n, x), n >= 1: the mean of the outer products (kv_heads, x, x), float64."""
    return torch.stack([(each.double().mT @ each.double()) / len(each) for each in numbers])


def maps(covariance: Tensor, moment: Tensor | None, rank: int) -> tuple[Tensor, Tensor]:
    """(kv_heads, d, rank) float32 for keys and for queries, of C and M (kv_heads, d, d) float64; None: nothing is known
    of queries."""
    every = [_maps(each, None if moment is None else moment[head], rank) for head, each in enumerate(covariance)]
    return torch.stack([each[0] for each in every]), torch.stack([each[1] for each in every])


def _maps(covariance: Tensor, moment: Tensor | None, rank: int) -> tuple[Tensor, Tensor]:
    if moment is None:
        half = back = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    else:
        moment = moment.clone()
        floor = moment.diagonal().mean() * _LOWEST + TINY
        moment.diagonal().add_(floor)
        spread, turn = torch.linalg.eigh(moment)
        half, back = (turn * spread.sqrt()) @ turn.mT, (turn * spread.rsqrt()) @ turn.mT
    directions = torch.linalg.eigh(half @ covariance @ half)[1].flip(1)[:, :rank]
    return (half @ directions).float(), (back @ directions).float()


def widths(device: torch.device) -> Tensor:
    """The steps of codes that are tried, in standard deviations."""
    return torch.tensor([2 * clip / 2**CODE for clip in CLIPS], device=device)


def deviation(numbers: Tensor) -> Tensor:
    """(kv_heads, 1, r) standard deviations of (kv_heads, n, r)."""
    return numbers.std(1, correction=0, keepdim=True).clamp_min(TINY)


def code_off(numbers: Tensor) -> Tensor:
    """(widths, kv_heads, 1, r): the mean square error that each width rounds (kv_heads, n, r) with."""
    spread = deviation(numbers)
    return torch.stack([_off(numbers, spread * width, CODE) for width in widths(numbers.device)])


def largest(numbers: Tensor) -> Tensor:
    """(kv_heads, 1, x) of magnitudes."""
    return numbers.abs().amax(1, keepdim=True).clamp_min(TINY)


def step_off(numbers: Tensor, bits: int) -> Tensor:
    """(shrinks, kv_heads, 1, x): the mean square error that each step rounds (kv_heads, n, x) with, one by one."""
    most = largest(numbers)
    return torch.stack([_off(numbers, most * share, min(bits, 8)) for share in _shares(bits)])


def full_step(most: Tensor, off: Tensor, bits: int) -> Tensor:
    """(kv_heads, 1, x): the step of least error (`step_off`), for numbers up to `most` (`largest`)."""
    steps = torch.stack([most * share for share in _shares(bits)])
    return steps.gather(0, off.argmin(0, keepdim=True))[0]


def _shares(bits: int) -> list[float]:
    """The steps that are tried, as shares of the largest number."""
    most = 2 ** (min(bits, 8) - 1)
    return [shrink / (most - 0.5) for shrink in SHRINKS[min(bits, 8)]]


def _off(numbers: Tensor, step: Tensor, bits: int) -> Tensor:
    """(kv_heads, 1, r): the mean square error of middles of steps."""
    most = 2 ** (bits - 1)
    codes = (numbers / step).floor_().clamp_(-most, most - 1)
    return ((codes + 0.5) * step - numbers).square_().mean(1, keepdim=True)
