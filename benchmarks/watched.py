"""What policies that watch earlier queries are told of them: what those truly gave, all keys read, up to the very query
that is measured. That is their best case, for which a prompt would have to end right there; `ObservedEarlier` is
SnapKV's policy 256 tokens into its answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from benchmarks.captured import Captured
from regard.spec.policy import HeavyHitters, ObservedWindow, Policy

WRITTEN = 1e6  # mass given to keys of the answer: more than any key of the prompt has, for all of them are kept


@dataclass(frozen=True, eq=False, repr=False)
class ObservedEarlier(Policy):
    """ObservedWindow whose prompt ended `ago` tokens before the query; the keys since are kept, as its paper has it."""

    window: int = 32
    pool: int = 7
    ago: int = 256


@dataclass(frozen=True, eq=False)
class Watched:
    """What may be known at one query of the queries before it. everything: (kv_heads, position + 1), the mass each key
    has received from them all."""

    layer: Captured
    position: int
    everything: Tensor
    _latest: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def latest(self, window: int, end: int) -> Tensor:
        """(kv_heads, position + 1): the mass from the last `window` queries before position `end`."""
        if (window, end) not in self._latest:
            mass = self.everything.new_zeros(self.everything.shape)
            if end:
                mass[:, :end] = self.layer.mass(range(max(0, end - window), end))
            self._latest[window, end] = mass
        return self._latest[window, end]

    def told(self, policy: Policy) -> Policy:
        """The policy, with what it wants to know of earlier queries."""
        if isinstance(policy, HeavyHitters):
            return replace(policy, received=self.everything[None])
        if isinstance(policy, ObservedWindow):
            return replace(policy, received=self.latest(policy.window, self.position)[None])
        if isinstance(policy, ObservedEarlier):
            end = max(0, self.position - policy.ago)
            mass = self.latest(policy.window, end).clone()
            mass[:, end:] = WRITTEN
            return ObservedWindow(policy.window, policy.pool, received=mass[None])
        return policy


def kernel(policy: Policy) -> type[Policy]:
    """The type under which `spend` knows it."""
    return ObservedWindow if isinstance(policy, ObservedEarlier) else type(policy)
