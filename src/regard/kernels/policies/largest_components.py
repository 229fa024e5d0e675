"""LargestComponents: scores in the largest components of the query decide which keys are read, and how much weight is
left for the mean value."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from regard.kernels.policies import reading
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.policy import LargestComponents
from regard.spec.request import Request

LOCAL = 0.25  # of the keys that are read: kept for the latest, as in the paper's experiments


def largest_components(request: Request, budget: Budget) -> Spent:
    """Ribar et al. 2023 (SparQ, arXiv 2312.04985, algorithm 1).

    `rank` components of every key are read, those in which the query is largest, and the mean value. The softmax of
    these scores, at the temperature sqrt(dim * |q kept|_1 / |q|_1) where the exact one has sqrt(dim), chooses the keys,
    and its weight on them is alpha; the output is alpha * (attention over them) + (1 - alpha) * mean value. As in the
    paper's code, heads of a group choose components by their summed magnitudes and keys by their summed weights, and a
    quarter of the keys are the latest. The lse is that of the keys read less log(alpha).
    """
    policy = budget.policy
    assert isinstance(policy, LargestComponents)

    def begin(call: Call) -> Callable[[Part], Read]:
        return lambda part: _read(call, part, min(policy.rank, call.query.shape[4]))

    return worked_off(request, budget, begin)


def _read(call: Call, part: Part, rank: int) -> Read:
    beside = (part.count * rank + call.dims[1]).double() * (BITS / 8)
    given = reading.room(call, part, beside)
    if not bool(given.judged.any()):
        return reading.finished(call, part, given, reading.window(call, part, given.count, reading.FIRST))
    scores = reading.scored(call, part, _tempered(call.queries(part), rank), call.key)
    latest = torch.minimum((given.count.double() * LOCAL).long().clamp_min(1), given.count)

    def judge() -> reading.Choice:
        return reading.best(call, part, given, reading.shares(part, scores), reading.ends(part, 0, latest))

    choice = reading.decided(call, part, given, judge)
    output, lse = reading.read(call, part, choice)
    weights, _ = reading.softmax(torch.where(part.allowed, scores, -torch.inf))
    alpha = reading.taken_from(weights, choice).sum(-1).clamp(torch.finfo(weights.dtype).tiny, 1.0)
    alpha = torch.where(given.judged[:, :, None], alpha, 1.0)
    mixed = alpha[..., None] * output + (1 - alpha)[..., None] * _mean_value(call, part)
    plain = (alpha == 1)[..., None]  # a mean value that is NaN has no say where it has no weight
    return torch.where(plain, output, mixed), lse - alpha.log(), given.bytes


def _tempered(query: Tensor, rank: int) -> Tensor:
    """query (batch, kv_heads, groups, rows, d) with all but the group's `rank` largest components 0, and divided by the
    root of the share of its magnitude that is left."""
    magnitudes = query.abs()
    top = magnitudes.sum(2, keepdim=True).topk(rank, -1).indices
    kept = torch.zeros_like(magnitudes[:, :, :1], dtype=torch.bool).scatter_(-1, top, True)
    some = torch.where(kept, query, 0.0)
    left, whole = some.abs().sum(-1, keepdim=True), magnitudes.sum(-1, keepdim=True)
    share = torch.where(left > 0, left / whole, 1.0)
    return some / share.sqrt()


def _mean_value(call: Call, part: Part) -> Tensor:
    """(batch, kv_heads, groups or 1, rows, e): the mean of the values that a query may see."""
    seen = part.allowed.expand(*call.lanes, *part.allowed.shape[2:]).to(call.value.dtype)
    sums = reading.weighted(call, seen.flatten(2, 3), call.value[:, :, : part.keys])
    return sums.view(*seen.shape[:4], -1) / seen.sum(-1, keepdim=True).clamp_min(1)
