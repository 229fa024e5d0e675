"""How far a model is while it runs once: by the blocks it has gone through."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn
from torch import nn

from regard.app.screen import Screen

_QUIET = 5.0  # seconds between two plain lines: a short run says nothing


@contextmanager
def layer_progress(screen: Screen, model: nn.Module) -> Iterator[None]:
    """A bar on a terminal, plain lines elsewhere, while the model runs in this block."""
    blocks = _blocks(model)
    if not blocks:
        yield
        return
    with _teller(screen, len(blocks)) as tell:
        handles = [
            block.register_forward_hook(lambda *_, done=number: tell(done)) for number, block in enumerate(blocks, 1)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks of the model's longest stack."""
    stacks = [list(part) for part in model.modules() if isinstance(part, nn.ModuleList)]
    return max(stacks, key=len, default=[])


@contextmanager
def _teller(screen: Screen, count: int) -> Iterator[Callable[[int], None]]:
    if screen.is_terminal:
        columns = (TextColumn("block {task.completed} of {task.total}"), BarColumn())
        with Progress(*columns, console=screen.console, transient=True) as bar:
            task = bar.add_task("", total=count)
            yield lambda done: bar.update(task, completed=done)
        return
    last = time.monotonic()

    def line(done: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _QUIET:
            last = time.monotonic()
            screen.line(f"block {done} of {count}")

    yield line
