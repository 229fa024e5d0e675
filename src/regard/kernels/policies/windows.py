"""WindowSinks: the first few keys and the latest ones."""

from __future__ import annotations

from collections.abc import Callable

from regard.kernels.policies import reading
from regard.kernels.policies.call import Call, Part, Read, worked_off
from regard.kernels.spent import Spent
from regard.spec.budget import Budget
from regard.spec.policy import WindowSinks
from regard.spec.request import Request


def window_sinks(request: Request, budget: Budget) -> Spent:
    """Xiao et al. 2023 (arXiv 2309.17453, section 3.2): nothing is chosen, nothing is read beside the keys.

    The paper counts positions within its cache; here keys keep the positions they were rotated with.
    """
    policy = budget.policy
    assert isinstance(policy, WindowSinks)

    def begin(call: Call) -> Callable[[Part], Read]:
        return lambda part: _read(call, part, policy.first)

    return worked_off(request, budget, begin)


def _read(call: Call, part: Part, first: int) -> Read:
    given = reading.room(call, part)
    return reading.finished(call, part, given, reading.window(call, part, given.count, first))
