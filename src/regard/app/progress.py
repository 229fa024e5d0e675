"""A run's progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bar

from regard.app.screen import Screen
from regard.tasks.event import Event, Listener, Note, Progress, Validated

_LINES = 20  # progress lines of a whole run where there is no bar


@contextmanager
def progress(screen: Screen) -> Iterator[Listener]:
    """A listener for `train_run` that shows loss, metric, rate and time left."""
    if screen.is_terminal:
        with Bar(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.description}"),
            console=screen.console,
            transient=True,
        ) as bar:
            yield _OnBar(screen, bar)
    else:
        yield _InLines(screen)


class _OnBar:
    def __init__(self, screen: Screen, bar: Bar) -> None:
        self.screen, self.bar = screen, bar
        self.task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress):
            self.screen.line(told(event))
            return
        epoch = f"{event.epoch}/{event.epochs}"
        if self.task is None:
            self.task = self.bar.add_task("", total=event.steps, epoch=epoch)
        self.bar.update(self.task, completed=event.step, description=_figures(event), epoch=epoch)


class _InLines:
    def __init__(self, screen: Screen) -> None:
        self.screen = screen
        self.last = -1

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress):
            part = event.step * _LINES // max(event.steps, 1)
            if part == self.last:
                return
            self.last = part
        self.screen.line(told(event))


def told(event: Event) -> str:
    """An event as one line."""
    if isinstance(event, Note):
        return event.text
    if isinstance(event, Validated):
        best = " (the best so far)" if event.best else ""
        scored = "" if event.metric is None else f", validation {event.metric_name} {event.metric:.4f}"
        return (
            f"epoch {event.epoch}/{event.epochs}: training loss {event.train_loss:.4f}, "
            f"validation loss {event.loss:.4f}{scored}{best}"
        )
    return f"epoch {event.epoch}/{event.epochs} step {event.step}/{event.steps}: {_figures(event)}"


def _figures(event: Progress) -> str:
    left = "" if event.seconds_left is None else f", {clock(event.seconds_left)} left"
    right = "" if event.metric is None else f"accuracy {event.metric:.4f}, "
    return f"loss {event.loss:.4f}, {right}{event.rate:,.0f} tokens/s{left}"


def clock(seconds: float) -> str:
    """Seconds as 0:07, 12:05 or 1:02:03."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
