"""PerfectKeys and PerfectBlocks: chosen by the true weights, at no cost. Bounds for droppers, not for use."""

from __future__ import annotations

import torch

from regard.kernels.policies import reading
from regard.kernels.policies.blocks import chosen_blocks, split
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import Budget
from regard.spec.policy import PerfectBlocks, PerfectKeys
from regard.spec.request import Request


def perfect_keys(request: Request, budget: Budget) -> Spent:
    """The keys that hold most of the true weight, summed over the heads of a group. Only those are counted."""
    assert isinstance(budget.policy, PerfectKeys)
    return worked_off(request, budget, lambda call: lambda part: _keys(call, part))


def perfect_blocks(request: Request, budget: Budget) -> Spent:
    """The blocks, beginning at key 0, that hold most of the true weight of a group. Only their keys are counted, and
    none is read that is not among the best, the newest block included; the last one may be cut short."""
    policy = budget.policy
    assert isinstance(policy, PerfectBlocks)
    return worked_off(request, budget, lambda call: lambda part: _blocks(call, part, policy.size))


def _keys(call: Call, part: Part) -> Read:
    given = reading.room(call, part)

    def judge() -> reading.Choice:
        true = reading.scored(call, part, call.queries(part), call.key)
        priority = reading.shares(part, true, call.request.sink)
        return reading.best(call, part, given, priority, torch.zeros((), dtype=torch.bool, device=priority.device))

    return reading.finished(call, part, given, reading.decided(call, part, given, judge))


def _blocks(call: Call, part: Part, size: int) -> Read:
    given = reading.room(call, part)

    def judge() -> reading.Choice:
        true = reading.scored(call, part, call.queries(part), call.key)
        weights = split(reading.shares(part, true, call.request.sink), size, -torch.inf)
        priority = torch.logsumexp(weights, -1).nan_to_num(nan=reading.FAR, neginf=-reading.FAR)
        held = split(part.seen, size, False).any(-1)
        return chosen_blocks(call, part, given, size, torch.where(held, priority, -torch.inf))

    return reading.finished(call, part, given, reading.decided(call, part, given, judge))
