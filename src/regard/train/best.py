"""Which epoch was best: what the validation part says after each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regard.tasks.event import Validated
from regard.tasks.scores.metric import Metric
from regard.train.evaluation import Answers, answers
from regard.train.state import State

if TYPE_CHECKING:
    from regard.train.loop import Loop


def validate(loop: Loop, epoch: int) -> None:
    """Scores the epoch (from 0) on the validation part, keeps its weights if it is the best so far, and tells."""
    task, part, state = loop.task, loop.data.validation, loop.state
    decode = task.chosen_by == "metric"
    found = answers(task, loop.data.setup, loop.model, part, loop.accelerator, decode=decode)
    metric = _metric(loop, found) if decode else None
    value = found.loss if metric is None else metric.value
    best = is_better(state, value, found.loss, lower=metric is None or metric.better == "lower")
    if best:
        state.best, state.best_loss, state.best_epoch, state.stale = value, found.loss, epoch + 1, 0
        if loop.accelerator.is_main_process:
            loop.folder.keep_best(epoch + 1, loop.weights)
    else:
        state.stale += 1
        state.stopped = loop.settings.patience is not None and state.stale >= loop.settings.patience
    if loop.accelerator.is_main_process:
        _tell(loop, epoch, found, metric, best=best)


def is_better(state: State, value: float, loss: float, *, lower: bool) -> bool:
    """Whether a score (or loss) is better than the best so far; of equal ones (few rows give many) the lower loss is.

    A value that is not a number is never better than another.
    """
    if state.best_epoch == 0:
        return True
    better = value < state.best if lower else value > state.best
    return better or (value == state.best and loss < state.best_loss) or (state.best != state.best and value == value)


def _metric(loop: Loop, found: Answers) -> Metric:
    data = loop.data
    first = loop.task.measures(data.setup)[0]
    return first(found.answers, data.validation.truths, protocol=f"part:validation|rows:{len(data.validation)}")


def _tell(loop: Loop, epoch: int, found: Answers, metric: Metric | None, *, best: bool) -> None:
    state = loop.state
    train_loss = state.loss / max(state.seen, 1)
    loop.listen(
        Validated(
            epoch=epoch + 1,
            epochs=len(loop.epochs),
            train_loss=train_loss,
            loss=found.loss,
            metric=None if metric is None else metric.value,
            metric_name="loss" if metric is None else metric.name,
            best=best,
        )
    )
    scored = {} if metric is None else {metric.name: metric.value}
    loop.folder.record.add(
        "epoch", state.step, epoch=epoch + 1, train_loss=train_loss, validation_loss=found.loss,
        validation=scored, best=best, seconds=round(state.seconds, 2),
    )  # fmt: skip
