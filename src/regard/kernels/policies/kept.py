"""Policies whose choice is made once for a prompt, whatever the query: they keep some keys and evict the others.

What they choose by was computed when the prompt was read, and a query does not look at it: it costs no bytes. A query
in mid-text keeps the best of the keys that it may see.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.policies import reading
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import Budget
from regard.spec.errors import ShapeError, SpecError
from regard.spec.policy import HeavyHitters, LargeValues, ObservedWindow, RandomKeys, SmallKeys
from regard.spec.request import Request
from regard.spec.value import described

SPARED = 20  # keys at the start that value-aware pruning never drops


@dataclass(frozen=True, eq=False)
class Standing:
    """What all queries go by. worth: (batch or 1, kv_heads or 1, key_len), high is kept. latest: how many of so many
    keys are to be the latest ones. spared: keys at the start that are kept in any case, up to half of all."""

    worth: Tensor
    latest: Callable[[Tensor], Tensor]
    spared: int = 0


def heavy_hitters(request: Request, budget: Budget) -> Spent:
    """Zhang et al. 2023 (arXiv 2306.14048, section 4): part of the cache for the keys that gathered most weight, part
    for the latest.

    The paper adds weights up as it goes, among keys that are still there; here `received` is whole sums, which can only
    be better. Raises `SpecError` where `received` is missing, `ShapeError` where it does not fit.
    """
    return gathering(request, budget)[0]


def gathering(request: Request, budget: Budget) -> tuple[Spent, Tensor]:
    """What `heavy_hitters` gives, and the mass (batch, kv_heads, key_len) that these queries give to the keys that they
    read, query heads of one key head taken together: what the paper adds up from step to step."""
    policy = budget.policy
    assert isinstance(policy, HeavyHitters)
    received = _given(request, "HeavyHitters", policy.received, "the mass each key got from all earlier queries")
    mass = torch.zeros_like(received)

    def begin(call: Call) -> Callable[[Part], Read]:
        standing = Standing(received.to(call.key), _share(policy.latest))

        def step(part: Part) -> Read:
            given, choice = _chosen(call, part, standing)
            weights, lse = reading.weighed(call, part, choice)
            given_on = weights.sum(3) if request.sink is None else (weights * _beside(call, lse)).sum(3)
            mass.scatter_add_(2, choice.index.flatten(2), given_on.flatten(2).to(mass))
            return (*reading.summed(call, choice, weights, lse), given.bytes)

        return step

    return worked_off(request, budget, begin), mass


def _beside(call: Call, lse: Tensor) -> Tensor:
    """(batch, kv_heads, rows, groups, 1): the share of a row's weight that a sink's logit leaves to the keys."""
    assert call.request.sink is not None
    logit = call.request.sink.per_head.detach().to(lse).view(call.lanes[1], 1, -1)
    return torch.sigmoid(lse - logit)[..., None]


def observed_window(request: Request, budget: Budget) -> Spent:
    """Li et al. 2024 (arXiv 2404.14469, section 4): keys are voted for by the prompt's last queries, votes are smoothed
    over neighbours, and the last `window` keys stay.

    The mean over `pool` keys counts what lies before the first and behind the last key as 0, as in the paper's code.
    Raises `SpecError` where `received` is missing, `ShapeError` where it does not fit.
    """
    policy = budget.policy
    assert isinstance(policy, ObservedWindow)
    asked = f"the mass each key got from the last {policy.window} queries of the prompt"
    received = _given(request, "ObservedWindow", policy.received, asked)

    def standing(call: Call) -> Standing:
        votes = received.to(call.key)
        around = torch.nn.functional.pad(votes, ((policy.pool - 1) // 2, policy.pool // 2))
        smooth = torch.nn.functional.avg_pool1d(around.flatten(0, 1)[:, None], policy.pool, stride=1)
        return Standing(smooth.view(votes.shape), lambda count: torch.full_like(count, policy.window))

    return _kept(request, budget, standing)


def small_keys(request: Request, budget: Budget) -> Spent:
    """Devoto et al. 2024 (arXiv 2406.11430): keys of small Euclidean norm are those that get most weight."""
    policy = budget.policy
    assert isinstance(policy, SmallKeys)

    def standing(call: Call) -> Standing:
        return Standing(-request.key.detach().to(call.key.dtype).norm(dim=-1), _share(policy.latest))

    return _kept(request, budget, standing)


def large_values(request: Request, budget: Budget) -> Spent:
    """Guo et al. 2024 (arXiv 2406.12335): keys whose values are long, in the sum of magnitudes.

    The first 20 keys are spared as in the paper, for where attention sinks the values are short; up to half of what
    fits. The paper multiplies the norm by mass received; here it stands alone.
    """
    policy = budget.policy
    assert isinstance(policy, LargeValues)
    return _kept(
        request, budget, lambda call: Standing(call.value.norm(p=1, dim=-1), _share(policy.latest), spared=SPARED)
    )


def random_keys(request: Request, budget: Budget) -> Spent:
    """Each position has a number drawn from the seed, the same for all items and heads; the highest are read."""
    policy = budget.policy
    assert isinstance(policy, RandomKeys)

    def standing(call: Call) -> Standing:
        source = torch.Generator().manual_seed(policy.seed)
        drawn = torch.rand((1, 1, request.place.key_len), generator=source, dtype=torch.float64)
        return Standing(drawn.to(call.key), torch.ones_like)

    return _kept(request, budget, standing)


def _kept(request: Request, budget: Budget, standing: Callable[[Call], Standing]) -> Spent:
    def begin(call: Call) -> Callable[[Part], Read]:
        found = standing(call)
        return lambda part: _read(call, part, found)

    return worked_off(request, budget, begin)


def _read(call: Call, part: Part, standing: Standing) -> Read:
    given, choice = _chosen(call, part, standing)
    return reading.finished(call, part, given, choice)


def _chosen(call: Call, part: Part, standing: Standing) -> tuple[reading.Room, reading.Choice]:
    given = reading.room(call, part)
    latest = torch.minimum(standing.latest(given.count).clamp_min(1), given.count)
    spared = torch.minimum((given.count // 2).clamp_max(standing.spared), given.count - latest)
    priority = standing.worth[:, :, None, : part.keys]

    def judge() -> reading.Choice:
        return reading.best(call, part, given, priority, reading.ends(part, spared, latest))

    return given, reading.decided(call, part, given, judge)


def _share(share: float) -> Callable[[Tensor], Tensor]:
    return lambda count: (count.double() * share + reading.SLACK).floor().long()


def _given(request: Request, name: str, received: Tensor | None, what: str) -> Tensor:
    shape = (request.key.shape[0], request.key.shape[1], request.key.shape[2])
    if received is None:
        raise SpecError(
            f"{name}(received=None): expected {what}, a (batch, kv_heads, key_len) tensor, here {shape}; "
            "observe(...) gives it"
        )
    if tuple(received.shape) != shape:
        raise ShapeError(f"{name}(received={described(received)}): expected (batch, kv_heads, key_len) = {shape}")
    return received.detach()
