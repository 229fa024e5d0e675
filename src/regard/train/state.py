"""Where a training run stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np


@dataclass
class State:
    """Plain values that, with the tensors, are all a run needs to go on. Mutable: the loop's own.

    step: steps done. best: the best validation score so far (or loss, for tasks that are chosen by it), of epoch
    `best_epoch` (from 1; 0 for none yet), and best_loss, that epoch's validation loss. stale: epochs since. non_finite:
    losses that were NaN or infinite. loss, right, seen: sums over this epoch so far (seen: rows, or tokens, as the task
    counts its losses). tokens, places: of training steps, in all, without padding and with it; seconds spent on them.
    wall: seconds of all sittings before this one, data and scores included.
    """

    step: int = 0
    best: float = -1.0
    best_loss: float = 0.0
    best_epoch: int = 0
    stale: int = 0
    stopped: bool = False
    non_finite: int = 0
    loss: float = 0.0
    right: int = 0
    seen: int = 0
    tokens: int = 0
    places: int = 0
    seconds: float = 0.0
    wall: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    def begin_epoch(self) -> None:
        """Sets the epoch's sums to zero."""
        self.loss, self.right, self.seen = 0.0, 0, 0


def state_from(values: Mapping[str, Any]) -> State:
    """The state that `plain` wrote; what an older one lacks is as at the beginning."""
    return State(**{field.name: values.get(field.name, field.default) for field in fields(State)})


def step_seed(seed: int, step: int, process: int) -> int:
    """The random seed of one step in one process: 63 bits that differ for every (seed, step, process)."""
    return int(np.random.SeedSequence((seed, step, process)).generate_state(1, np.uint64)[0] >> np.uint64(1))
