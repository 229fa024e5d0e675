"""Where a step lies in a training of several epochs, whose steps may differ in number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate

from regard.tasks.part import Order


@dataclass(frozen=True)
class Epochs:
    """`ends[e]`: steps done when epoch e (from 0) has ended."""

    ends: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Steps of all epochs."""
        return self.ends[-1]

    def __len__(self) -> int:
        return len(self.ends)

    def at(self, step: int) -> tuple[int, int]:
        """The epoch of step `step` (both from 0), and the step's place in it."""
        epoch = next(epoch for epoch, end in enumerate(self.ends) if step < end)
        return epoch, step - (self.ends[epoch - 1] if epoch else 0)

    def done(self, step: int) -> int:
        """How many epochs have ended when `step` steps are done."""
        return sum(end <= step for end in self.ends)


def epochs_of(order: Order, count: int) -> Epochs:
    """The epochs of an order."""
    return Epochs(tuple(accumulate(order.steps(epoch) for epoch in range(count))))
