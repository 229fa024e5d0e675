"""How many epochs "auto" means: few rows need more of them to be learned."""

from __future__ import annotations

from regard.tasks.batches import order_of
from regard.tasks.event import Listener, Note
from regard.tasks.part import BatchSize, OrderedPart, Part
from regard.tasks.sections import TrainSettings
from regard.tasks.settings import Settings, changed

_EPOCHS = 8  # "auto": so many,
_STEPS = 400  # or as many as make so many steps


def batch_size(train: TrainSettings) -> BatchSize:
    """How much goes into one step."""
    return BatchSize(train.batch, train.tokens)


def decided_epochs(settings: Settings, train: Part | OrderedPart, listen: Listener) -> Settings:
    """The settings with `train.epochs` "auto" replaced by a number."""
    if settings.train.epochs != "auto":
        return settings
    steps = order_of(train, batch_size(settings.train), settings.train.seed).steps(0)
    epochs = max(_EPOCHS, -(-_STEPS // steps))
    listen(Note(f"epochs: {epochs}, of {steps} steps each"))
    return changed(settings, {"train.epochs": epochs})
