"""LowBits: every key and value is read, but most of them rounded to a few bits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.policies import reading
from regard.kernels.policies.blocks import newest, split
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.policies.rounding import Store
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.errors import KernelError
from regard.spec.policy import LowBits
from regard.spec.request import Request

UNSEEN = -1


@dataclass(frozen=True, eq=False)
class Levels:
    """At how many bits each query reads each key with its value.

    bits: (batch or 1, kv_heads or 1, rows, keys), BITS for what is exact, UNSEEN for what the query may not see. bytes:
    (batch or 1, kv_heads or 1, rows). rounded: the shape of `bits`, True for keys that are not exact. broken: bool
    (rows,), True where a query sees only some of the keys of a rounded block.
    """

    bits: Tensor
    bytes: Tensor
    rounded: Tensor
    broken: Tensor


def low_bits(request: Request, budget: Budget) -> Spent:
    """Liu et al. 2024 (KIVI, arXiv 2402.02750, section 3.2): asymmetric rounding to the nearest of 2^bits levels
    between the smallest and the largest number of a group; keys in groups of one channel of `group` neighbours, values
    in groups of `group` channels of one token.

    Exact are the latest keys, the block of `group` keys that reaches into them, and a newest block that is not full:
    rounding waits until a block is full, as in the paper. The bits follow from the budget: what it leaves after the
    exact keys and after 16 bits each for every group's step and smallest number, spread evenly; the latest of the
    rounded tokens get one bit more, as many as that pays for. The paper keeps one number of bits for all.

    Raises `KernelError` where less than one bit a number is left.
    """
    policy = budget.policy
    assert isinstance(policy, LowBits)

    def begin(call: Call) -> Callable[[Part], Read]:
        store = Store(call, policy.group)
        return lambda part: _read(call, part, policy, store)

    return worked_off(request, budget, begin)


def _read(call: Call, part: Part, policy: LowBits, store: Store) -> Read:
    levels = _levels(call, part, policy)
    if not bool(levels.broken.any()):
        return (*_attended(call, part, levels.bits, store), levels.bytes)
    # a block that a query sees a part of is rounded by that part alone: such queries are worked off one by one
    made = []
    for row in range(len(part.rows)):
        one = slice(row, row + 1)
        own = store.of_some(levels.rounded[:, :, row]) if bool(levels.broken[row]) else store
        made.append(_attended(call, part.cut(one), levels.bits[:, :, one], own))
    return torch.cat([output for output, _ in made], 3), torch.cat([lse for _, lse in made], 3), levels.bytes


def _attended(call: Call, part: Part, bits: Tensor, store: Store) -> tuple[Tensor, Tensor]:
    """(output, lse) of the queries over keys and values at `bits`."""
    query = call.queries(part)
    there = [level for level in torch.unique(bits).tolist() if level != UNSEEN]
    scores = query.new_full((*query.shape[:4], part.keys), -torch.inf)
    for level in there:
        made = (query.flatten(2, 3) @ store.key(level)[:, :, : part.keys].mT).view(scores.shape)
        scores = torch.where((bits == level)[:, :, None], call.curve.apply_(made), scores)
    scores = scores if part.bias is None else scores + part.bias
    weights, lse = reading.softmax(torch.where(part.allowed, scores, -torch.inf))
    output = query.new_zeros((*query.shape[:2], query.shape[2] * query.shape[3], call.value.shape[3]))
    for level in there:
        some = torch.where((bits == level)[:, :, None], weights, 0.0).flatten(2, 3)
        output = output + reading.weighted(call, some, store.value(level)[:, :, : part.keys])
    return output.view(*query.shape[:4], -1), lse


def _levels(call: Call, part: Part, policy: LowBits) -> Levels:
    size, (dim, value_dim) = policy.group, call.dims
    limit, seen = call.limit(part.count), part.count.double()
    everything = seen * call.each <= limit * (1 + 1e-12)
    exact = _exact(part, policy) | everything[..., None]
    rounded = part.seen & ~exact
    count, in_blocks = rounded.sum(-1), split(rounded, size, False)
    blocks = in_blocks.any(-1)
    overhead = (blocks.sum(-1) * dim + count * math.ceil(value_dim / size)).double() * (2 * BITS / 8)
    fixed = (seen - count) * call.each + overhead
    width = max(1, dim + value_dim)  # numbers that a token has
    spare = (limit - fixed) * 8  # bits
    bits = (spare / (count * width).clamp_min(1).double() + reading.SLACK).floor().clamp(-1, BITS - 1).long()
    _refuse(call, part, everything, bits, count, fixed)
    more = ((spare / width + reading.SLACK).floor().long() - count * bits).clamp_min(0)
    more = torch.minimum(more, count)
    order = rounded.cumsum(-1, dtype=torch.int32)
    one_more = order > (count - more)[..., None]
    level = torch.where(rounded, bits[..., None] + one_more, torch.where(part.seen, BITS, UNSEEN))
    spent = fixed + (count * bits + more).double() * (width / 8)
    full = _full(part, size, call.key.shape[2])
    broken = (blocks & ~full).any(-1).flatten(0, 1).any(0)
    return Levels(level, torch.where(everything, seen * call.each, spent), rounded, broken)


def _exact(part: Part, policy: LowBits) -> Tensor:
    """The shape of `part.seen`: the latest keys, the block they begin in, and a newest block that is not full."""
    latest = reading.ends(part, 0, policy.latest)
    held = split(part.seen, policy.group, False).sum(-1)
    waiting = newest(held) & (held < policy.group)
    waiting = waiting | split(latest, policy.group, False).any(-1)
    whole = waiting.repeat_interleave(policy.group, -1)[..., : part.keys]
    return part.seen & whole


def _full(part: Part, size: int, key_len: int) -> Tensor:
    """(..., rows, blocks): the query sees every key of the block."""
    return split(part.seen, size, part.keys == key_len).all(-1)


def _refuse(call: Call, part: Part, everything: Tensor, bits: Tensor, count: Tensor, fixed: Tensor) -> None:
    """Raise where a query has no bit for each number."""
    short = ~everything & (bits < 1)
    if not bool(short.any()):
        return
    spot = tuple(short.nonzero()[0].tolist())
    row, seen = part.rows.start + spot[-1], int(part.count[spot])
    needed = float(fixed[spot] + count[spot] * sum(call.dims) / 8) / (seen * call.each)
    share = float(call.limit(part.count)[spot]) / (seen * call.each)
    raise KernelError(
        f"LowBits: query {row} sees {seen} keys and may read {share:.3g} of their bytes; its {seen - int(count[spot])} "
        f"exact keys, scales and one bit for every other number take {min(needed, 1.0):.3g}: give a larger budget, or "
        "a LowBits with fewer `latest` or another `group`"
    )
