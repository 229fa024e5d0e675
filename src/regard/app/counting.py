"""How far a long job is, by a number that grows: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from regard.app.screen import Screen

_QUIET = 5.0  # seconds between two plain lines: a short job says nothing

Tell = Callable[[float], None]


@contextmanager
def counted(screen: Screen, total: float, said: Callable[[float], str]) -> Iterator[Tell]:
    """What is to be told how much of `total` is done; `said` puts that in words."""
    if screen.is_terminal:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=screen.console, transient=True) as bar:
            task = bar.add_task(said(0), total=total)
            yield lambda done: bar.update(task, completed=done, description=said(done))
        return
    last = time.monotonic()

    def line(done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET:
            last = time.monotonic()
            screen.line(said(done))

    yield line
