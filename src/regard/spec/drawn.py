"""Whether a graph is being drawn: then tensors have sizes that are symbols, and no values that could be looked at."""

from __future__ import annotations

import torch


def is_drawn() -> bool:
    """True inside `torch.export`: checks of values and choices by values are left out, and sizes stay symbols.

    Who runs the graph later has checked the values, or is told of them by the graph's own operators.
    """
    return torch.compiler.is_exporting()


class Stretch:
    """`range(start, stop)` of sizes that are symbols, which a `range` would turn into numbers."""

    __slots__ = ("start", "stop")

    def __init__(self, start: int, stop: int) -> None:
        self.start, self.stop = start, stop
