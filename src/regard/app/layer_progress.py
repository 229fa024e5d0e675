"""How far a model is while it runs once: by the blocks it has gone through."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from regard.app.counting import counted
from regard.app.screen import Screen


@contextmanager
def layer_progress(screen: Screen, model: nn.Module) -> Iterator[None]:
    """A bar on a terminal, plain lines elsewhere, while the model runs in this block."""
    found = stack_of(model)
    if not found:
        yield
        return
    with counted(screen, len(found), lambda done: f"block {done:.0f} of {len(found)}") as tell:
        handles = [
            block.register_forward_hook(lambda *_, done=number: tell(done)) for number, block in enumerate(found, 1)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def stack_of(model: nn.Module) -> list[nn.Module]:
    """The blocks of the model's longest stack."""
    stacks = [list(part) for part in model.modules() if isinstance(part, nn.ModuleList)]
    return max(stacks, key=len, default=[])
