"""What happens during a run, told to whoever listens. Nothing in `tasks` or `train` prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Note:
    """Something a person should know: a choice that was made, rows left out, a run that goes on."""

    text: str


@dataclass(frozen=True)
class Progress:
    """One training step is done.

    epoch, epochs: from 1. step, steps: steps done of all. loss: mean over the epoch so far. metric: share of right
    answers (of rows, or of tokens) over the epoch so far; None for tasks where nothing is right or wrong. rate: tokens
    a second. seconds_left: None until a first step was timed.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    metric: float | None
    rate: float
    seconds_left: float | None


@dataclass(frozen=True)
class Validated:
    """An epoch has ended. `best` says that no earlier epoch had a better score on the validation part; metric is None,
    and its name "loss", for tasks whose best epoch is chosen by the loss."""

    epoch: int
    epochs: int
    train_loss: float
    loss: float
    metric: float | None
    metric_name: str
    best: bool


Event = Note | Progress | Validated
Listener = Callable[[Event], None]


def unheard(event: Event) -> None:
    """A listener that does nothing."""
