"""MinMaxBlocks and MeanBlocks: whole blocks of keys are judged by one or two vectors each.

Blocks begin at key 0. The newest block that a query sees is always read, and after it the first: that one departs from
both papers, in favour of the policies, for where a model was not trained to do without them the first keys draw much
weight which a mean key does not show. A block of which a query sees a part only (at a window's edge, say) is judged by
that part. Blocks are read whole, but the last one chosen may be cut short where the
budget ends within it, so that no bytes are left over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.policies import reading
from regard.kernels.policies.call import SCRATCH, Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.policy import MeanBlocks, MinMaxBlocks
from regard.spec.request import Request

Vectors = tuple[Tensor, ...]  # each (..., dim)


@dataclass(frozen=True, eq=False)
class Summary:
    """What stands for a block.

    made: keys (..., size, dim) and which of them count (..., size) -> vectors (..., dim). scored: queries (..., x, dim)
    and vectors (..., blocks, dim) -> (..., x, blocks), before the score's curve. bias: biases of the keys of a block
    (..., size), -inf for those that do not count, and how many count -> what they add to its score.
    """

    vectors: int
    made: Callable[[Tensor, Tensor], Vectors]
    scored: Callable[[Tensor, Vectors], Tensor]
    bias: Callable[[Tensor, Tensor], Tensor]


def min_max_blocks(request: Request, budget: Budget) -> Spent:
    """Tang et al. 2024 (Quest, arXiv 2406.10774, section 3.3): the highest score that a block's keys could have.

    Two vectors a block are read, of every block that holds a key the query sees. Of a group of heads the paper says
    nothing: the highest scores are made into weights head by head, and their mean counts. Biases add the largest of a
    block, so that the bound stays one.
    """
    assert isinstance(budget.policy, MinMaxBlocks)
    return _judged(request, budget, budget.policy.size, Summary(2, _ends, _highest, lambda bias, _: bias.amax(-1)))


def mean_blocks(request: Request, budget: Budget) -> Spent:
    """Lu et al. 2025 (MoBA, arXiv 2502.13189, section 2.2): the score of a block's mean key; the query's own block is
    always read, later ones never. One vector a block is read. A group of heads decides by its mean weights."""
    assert isinstance(budget.policy, MeanBlocks)
    return _judged(request, budget, budget.policy.size, Summary(1, _mean, _product, _mean_bias))


def chosen_blocks(call: Call, part: Part, given: reading.Room, size: int, priority: Tensor) -> reading.Choice:
    """The keys of the blocks of highest priority (batch or 1, kv_heads or 1, rows, blocks), as many keys as fit."""
    ordered = priority.expand(*call.lanes, len(part.rows), -1).sort(stable=True, dim=-1, descending=True).indices
    held = split(part.seen, size, False).sum(-1).expand(ordered.shape).gather(-1, ordered).cumsum(-1)
    wanted = torch.where(given.judged, given.count, 0)[..., None]
    blocks = int((held < wanted).sum(-1).amax()) + 1
    within = torch.arange(size, device=ordered.device)
    index = (ordered[..., :blocks, None] * size + within).flatten(-2)
    inside = index.clamp_max(part.keys - 1)
    seen = part.seen.expand(*index.shape[:3], part.keys).gather(-1, inside) & (index == inside)
    return reading.Choice(inside, seen & (seen.cumsum(-1) <= wanted))


def split(tensor: Tensor, size: int, fill: float | bool) -> Tensor:
    """(..., keys) -> (..., blocks, size), the last block filled up."""
    blocks = -(-tensor.shape[-1] // size)
    filled = torch.nn.functional.pad(tensor, (0, blocks * size - tensor.shape[-1]), value=fill)
    return filled.reshape(*tensor.shape[:-1], blocks, size)


def newest(held: Tensor) -> Tensor:
    """held (..., blocks): seen keys in each -> True for the last block that holds any."""
    return (held > 0) & (held.flip(-1).cumsum(-1).flip(-1) == held)


def oldest(held: Tensor) -> Tensor:
    """held (..., blocks): seen keys in each -> True for the first block that holds any."""
    return (held > 0) & (held.cumsum(-1) == held)


def _judged(request: Request, budget: Budget, size: int, summary: Summary) -> Spent:
    def begin(call: Call) -> Callable[[Part], Read]:
        vectors = _shared(call, size, summary)
        return lambda part: _read(call, part, size, summary, vectors)

    return worked_off(request, budget, begin)


def _shared(call: Call, size: int, summary: Summary) -> Vectors:
    """The vectors of all blocks, for queries that see all their keys: (batch, kv_heads, blocks, dim) each."""
    length = call.key.shape[2]
    there = split(torch.ones(length, dtype=torch.bool, device=call.key.device), size, False)
    keys = split(call.key.mT, size, 0.0).permute(0, 1, 3, 4, 2)  # (batch, kv_heads, blocks, size, d)
    return summary.made(keys, there)


def _read(call: Call, part: Part, size: int, summary: Summary, vectors: Vectors) -> Read:
    held = split(part.seen, size, False).sum(-1)  # (batch or 1, kv_heads or 1, rows, blocks)
    latest = newest(held)
    beside = (held > 0).sum(-1).double() * float(summary.vectors * call.dims[0] * BITS / 8)
    given = reading.room(call, part, beside, torch.where(latest, held, 0).sum(-1))

    def judge() -> reading.Choice:
        priority = _priority(call, part, size, summary, vectors, held)
        priority = priority.nan_to_num(nan=reading.FAR, neginf=-reading.FAR)
        priority = torch.where(latest, torch.inf, torch.where(oldest(held), 2 * reading.FAR, priority))
        return chosen_blocks(call, part, given, size, torch.where(held > 0, priority, -torch.inf))

    return reading.finished(call, part, given, reading.decided(call, part, given, judge))


def _priority(call: Call, part: Part, size: int, summary: Summary, vectors: Vectors, held: Tensor) -> Tensor:
    """(batch, kv_heads, rows, blocks): the log of the group's mean weights, were the summaries' scores true."""
    query = call.queries(part)
    shown = tuple(each[:, :, : held.shape[-1]] for each in vectors)
    scores = summary.scored(query.flatten(2, 3), shown).view(*query.shape[:4], -1)
    there = split(torch.ones(part.keys, dtype=torch.bool, device=held.device), size, False).sum(-1)
    whole = part.keys == call.key.shape[2]
    sizes = there if whole else torch.full_like(there, size)  # the part may end within a block, which is then not whole
    partly = (held > 0) & (held < sizes)
    if bool(partly.any()):
        _correct(call, part, size, summary, scores, partly)
    scores = call.curve.apply_(scores)
    allowed = split(part.allowed, size, False)
    if part.bias is not None:
        bias = split(part.bias, size, 0.0)
        scores = scores + summary.bias(torch.where(allowed, bias, -torch.inf), allowed.sum(-1))
    return _mean_weights(torch.where(allowed.any(-1), scores, -torch.inf))


def _mean_weights(scores: Tensor) -> Tensor:
    """(batch, kv_heads, groups, rows, blocks) -> the log of the mean over heads, up to one number a row."""
    if scores.shape[2] == 1:
        return scores[:, :, 0]
    sums = torch.logsumexp(scores, -1, keepdim=True)
    return torch.logsumexp(scores - torch.where(torch.isneginf(sums), 0.0, sums), 2)


def _correct(call: Call, part: Part, size: int, summary: Summary, scores: Tensor, partly: Tensor) -> None:
    """Put the scores of blocks that a query sees a part of in place: by a summary of that part alone."""
    items, heads, rows, blocks = partly.expand(*call.lanes, -1, -1).nonzero().unbind(-1)
    seen = part.seen.expand(*call.lanes, -1, -1)
    step = max(1, SCRATCH // (4 * size * max(1, call.key.shape[3]) * call.key.element_size()))
    within = torch.arange(size, device=partly.device)
    for start in range(0, len(items), step):
        item, head, row, block = (each[start : start + step] for each in (items, heads, rows, blocks))
        index = block[:, None] * size + within
        inside = index.clamp_max(part.keys - 1)
        member = seen[item[:, None], head[:, None], row[:, None], inside] & (index == inside)
        vectors = summary.made(call.key[item[:, None], head[:, None], inside], member)
        query = call.query[item, head, :, row + part.rows.start]  # (found, groups, dim)
        scores[item, head, :, row, block] = summary.scored(query, tuple(each[:, None] for each in vectors))[..., 0]


def _ends(keys: Tensor, member: Tensor) -> Vectors:
    counted = member[..., None]
    return torch.where(counted, keys, torch.inf).amin(-2), torch.where(counted, keys, -torch.inf).amax(-2)


def _highest(query: Tensor, vectors: Vectors) -> Tensor:
    low, high = vectors
    return query.clamp_min(0) @ high.mT + query.clamp_max(0) @ low.mT


def _mean(keys: Tensor, member: Tensor) -> Vectors:
    return (torch.where(member[..., None], keys, 0.0).sum(-2) / member.sum(-1).clamp_min(1)[..., None],)


def _product(query: Tensor, vectors: Vectors) -> Tensor:
    return query @ vectors[0].mT


def _mean_bias(bias: Tensor, count: Tensor) -> Tensor:
    return torch.where(torch.isneginf(bias), 0.0, bias).sum(-1) / count.clamp_min(1)
