"""LowRankKeys: scores in the first principal directions of the keys decide which keys are read in full."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from regard.kernels import guard
from regard.kernels.policies import reading
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.policy import LowRankKeys
from regard.spec.request import Request

ENDS = 0.25  # of the keys that are read: as many for the latest, and up to that for the first FIRST


def low_rank_keys(request: Request, budget: Budget) -> Spent:
    """Singhania et al. 2024 (Loki, arXiv 2406.02542, algorithm 1).

    `rank` numbers of every key are read and the basis, dim x rank; then the keys that score best, in full. The paper
    takes its basis from other text; here it comes from the text itself: from the first 2^i keys that a query sees, for
    the largest i (so a decoder would find it anew whenever the text has doubled). Directions are those of the
    covariance: what the keys have in common moves all scores alike. A group of heads decides by its mean weights. The
    first four keys and a quarter of latest ones are always read, which the paper does not do: few directions show
    neither an attention sink, of which there is one, nor how near a key is.
    """
    policy = budget.policy
    assert isinstance(policy, LowRankKeys)

    def begin(call: Call) -> Callable[[Part], Read]:
        return lambda part: _read(call, part, min(policy.rank, call.dims[0]))

    return worked_off(request, budget, begin)


def _read(call: Call, part: Part, rank: int) -> Read:
    beside = (part.count + call.dims[0]).double() * (rank * BITS / 8)
    given = reading.room(call, part, beside)
    latest = (given.count.double() * ENDS).long().clamp_min(1)
    first = (latest - 1).clamp(0, reading.FIRST)

    def judge() -> reading.Choice:
        query, made = call.queries(part), []
        for rows, basis in _bases(call, part, rank):
            made.append(
                reading.scored(call, part.cut(rows), query[:, :, :, rows] @ basis[:, :, None], call.key @ basis)
            )
        priority = reading.shares(part, torch.cat(made, 3))
        return reading.best(call, part, given, priority, reading.ends(part, first, latest))

    return reading.finished(call, part, given, reading.decided(call, part, given, judge))


def _bases(call: Call, part: Part, rank: int) -> Iterator[tuple[slice, Tensor]]:
    """Runs of queries that go by the same keys, each with its basis (batch, kv_heads, d, rank)."""
    members = part.seen & (part.order() <= _halved(part.count)[..., None])
    changes = (members[:, :, 1:] != members[:, :, :-1]).transpose(0, 2).flatten(1).any(1).nonzero()[:, 0] + 1
    marks = [0, *changes.tolist(), len(part.rows)]
    for start, stop in itertools.pairwise(marks):
        yield slice(start, stop), _basis(call.key[:, :, : part.keys], members[:, :, start, :, None], rank)


def _halved(count: Tensor) -> Tensor:
    """The largest power of two that is at most `count`; 0 for 0."""
    exponent = torch.frexp(count.double())[1].long() - 1
    return torch.where(count > 0, torch.ones_like(count) << exponent.clamp_min(0), 0)


def _basis(key: Tensor, member: Tensor, rank: int) -> Tensor:
    """The `rank` directions in which the members among the keys vary most: key (..., keys, d), member (..., keys, 1)
    -> (..., d, rank)."""
    if not rank:  # keys of no numbers
        return key.new_zeros((*key.shape[:2], key.shape[-1], 0))
    member = member & ~guard.broken(key)[..., None]
    count = member.sum(-2, keepdim=True).clamp_min(1)
    kept = torch.where(member, key, 0.0)
    kept = kept / kept.abs().amax((-2, -1), keepdim=True).clamp_min(torch.finfo(key.dtype).tiny)
    around = torch.where(member, kept - kept.sum(-2, keepdim=True) / count, 0.0)
    directions: Tensor = torch.linalg.eigh(around.mT @ around)[1]
    return directions[..., directions.shape[-1] - rank :]
