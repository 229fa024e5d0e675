"""Who keeps what a loop makes while it trains: a run's folder, or this process's memory alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from regard.train.checkpoint import Checkpoint


class Log(Protocol):
    """Where events are written."""

    def add(self, event: str, step: int, **values: Any) -> None: ...


class Checkpoints(Protocol):
    """Where a loop puts all that it needs to go on."""

    def write(self, step: int, checkpoint: Checkpoint) -> None: ...


class Keeper(Protocol):
    """What a loop asks for. `best` gives what `keep_best` was given for that epoch."""

    @property
    def path(self) -> Path: ...  # for messages
    @property
    def record(self) -> Log: ...
    @property
    def checkpoints(self) -> Checkpoints: ...
    def keep_best(self, epoch: int, weights: Mapping[str, Tensor]) -> None: ...
    def best(self, epoch: int) -> Checkpoint: ...
    def drop_older_bests(self, epoch: int) -> None: ...


@dataclass(eq=False)
class InMemory:
    """Keeps the weights of the best epoch so far, and nothing else: a training that is stopped begins anew."""

    path: Path = Path("memory")
    _best: dict[int, Checkpoint] = field(default_factory=dict)

    @property
    def record(self) -> Log:
        return _Nothing()

    @property
    def checkpoints(self) -> Checkpoints:
        return _Nothing()

    def keep_best(self, epoch: int, weights: Mapping[str, Tensor]) -> None:
        """Copies, for training goes on in the same tensors."""
        held = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
        self._best = {epoch: Checkpoint(held, {"epoch": epoch})}

    def best(self, epoch: int) -> Checkpoint:
        return self._best[epoch]

    def drop_older_bests(self, epoch: int) -> None:
        """One is kept at a time."""


class _Nothing:
    """Takes everything, and keeps nothing."""

    def add(self, event: str, step: int, **values: Any) -> None: ...
    def write(self, step: int, checkpoint: Checkpoint) -> None: ...
