"""How each policy spends a budget: one function a policy, looked up by its type."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import torch

from regard.kernels.focus import focus
from regard.kernels.focus_tolerance import tolerated
from regard.kernels.policies.blocks import mean_blocks, min_max_blocks
from regard.kernels.policies.kept import heavy_hitters, large_values, observed_window, random_keys, small_keys
from regard.kernels.policies.largest_components import largest_components
from regard.kernels.policies.low_bits import low_bits
from regard.kernels.policies.low_rank import low_rank_keys
from regard.kernels.policies.perfect import perfect_blocks, perfect_keys
from regard.kernels.policies.windows import window_sinks
from regard.kernels.sketch import Sketch
from regard.kernels.spent import Spent
from regard.spec import policy
from regard.spec.budget import Budget
from regard.spec.errors import KernelError
from regard.spec.request import Request

POLICIES: dict[type[policy.Policy], Callable[[Request, Budget], Spent]] = {
    policy.WindowSinks: window_sinks,
    policy.MinMaxBlocks: min_max_blocks,
    policy.MeanBlocks: mean_blocks,
    policy.HeavyHitters: heavy_hitters,
    policy.ObservedWindow: observed_window,
    policy.LowRankKeys: low_rank_keys,
    policy.LargestComponents: largest_components,
    policy.LowBits: low_bits,
    policy.SmallKeys: small_keys,
    policy.LargeValues: large_values,
    policy.RandomKeys: random_keys,
    policy.PerfectBlocks: perfect_blocks,
    policy.PerfectKeys: perfect_keys,
}


def spend(request: Request, budget: Budget, sketch: Sketch | None = None) -> Spent:
    """Attend under a budget: every query on its own, as if it were decoded alone, reads what the policy chooses for it.

    A query's budget counts against the keys that it may see: `budget.bytes(seen keys, dim, value_dim)` of each key
    head's cache, at most that for every query, with one exception: the latest key that a query may see is read even
    where the budget has not the bytes for it. Work and temporary memory grow with query_len * key_len and with key_len.

    sketch: of the request's keys and values, from an earlier call, for `Focus`; it is brought up to date. Without one,
    each call makes its own, for which it reads the whole cache.

    Where everything fits into the budget of every query, everything is read, and nothing beside it.

    Raises `KernelError` for a policy that has no row in POLICIES and for what a policy cannot do (dropout, gradients,
    scores that are not dot products), `SpecError` where it lacks something.
    """
    device = request.query.device.type
    plainly = torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()
    if isinstance(budget.policy, policy.Focus) and budget.pays_for_all(request.place.key_len):
        budget = replace(budget, policy=policy.WindowSinks())  # nothing is left to choose
    if isinstance(budget.policy, policy.Focus):
        with plainly:
            by = focus if budget.tolerance is None else tolerated
            return by(request, budget, sketch)
    run = POLICIES.get(type(budget.policy))
    if run is None:
        names = ", ".join(sorted(kind.__name__ for kind in POLICIES))
        raise KernelError(f"no kernel spends by {type(budget.policy).__name__}; there are {names}")
    with plainly:
        return run(request, budget)
