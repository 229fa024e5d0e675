"""One pass of a model, watched, with all that a look keeps of it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from regard.app.layer_progress import stack_of
from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.look import Look, held
from regard.app.studio.readying import Desk, Ready, ready, title
from regard.app.studio.subjects import Found
from regard.app.studio.tiles import KEPT
from regard.lens.recording import Recording
from regard.lens.watch import watch
from regard.spec.errors import RegardError, RunError, SpecError

if TYPE_CHECKING:
    from PIL.Image import Image

Tell = Callable[[float, str], None]
_PASS = 0.9  # of a look's time is taken to be the pass


def look(
    job: Job,
    desk: Desk,
    found: Found,
    given: Input,
    *,
    top: int = 8,
    sinks: bool = True,
    budget: float | None = None,
    tell: Tell | None = None,
) -> Look:
    """Runs the model once on the input, and keeps its queries, keys and figures.

    Raises whatever reading the model or its input raises; `SpecError` for what would take more memory than looks may;
    `CancelledError` where the job is to stop.
    """
    say = job.tell if tell is None else tell
    say(0.0, f"reading {found.name}")
    made = ready(desk, found, given, budget=budget)
    model = made.subject.model
    say(0.0, f"{found.name} reads {made.subject.size}")
    with watch(model, top=top, bins=(KEPT, KEPT), keep=True) as seen:
        bound = _Bound(seen, desk.limits.looks_bytes)

        def listen(fraction: float, line: str) -> None:
            bound.check()
            say(fraction * _PASS, line)

        with told(model, listen, job.check), torch.no_grad():  # what a model keeps for later must take gradients
            _run(made)
        calls, trace = seen.calls, made.subject.traced(seen)
    say(_PASS, "ranking the heads")
    kept = {layer.name: calls[layer.name] for layer in trace.layers}
    return Look(
        subject=found.id,
        title=title(found, given),
        trace=trace,
        calls=kept,
        answer=made.answer(),
        picture=_address(made),
        notes=_notes(given, budget),
        ranked_sinks=sinks,
    )


def summary(made: Look, size: int, began: float) -> dict[str, Any]:
    """What a look's job gives."""
    layers = made.trace.layers
    return {
        "look": made.id,
        "layers": len(layers),
        "heads": sum(len(layer.heads) for layer in layers),
        "units": len(made.sides[0]),
        "bytes": size,
        "seconds": round(time.monotonic() - began, 3),
    }


@contextmanager
def told(model: nn.Module, tell: Tell, check: Callable[[], None]) -> Iterator[None]:
    """How far the model is, while it runs in this block: `tell` after each of its blocks; `check` before every module,
    so that what it raises stops the pass there."""
    stack = stack_of(model) or list(model.children())
    handles = [module.register_forward_pre_hook(lambda *_: check()) for module in model.modules()]
    handles += [
        block.register_forward_hook(lambda *_, done=number: tell(done / len(stack), f"block {done} of {len(stack)}"))
        for number, block in enumerate(stack, 1)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Bound:
    """Refuses a pass whose queries and keys outgrow what looks may take, before it is too late."""

    def __init__(self, seen: Recording, most: int) -> None:
        self.seen, self.most = seen, most

    def check(self) -> None:
        size = held(self.seen.calls)
        if size > self.most:
            raise SpecError(
                f"the queries and keys of this input take more than {self.most / 1e9:.1f} GB; read fewer tokens"
            )


def _run(made: Ready) -> None:
    try:
        made.subject.run()
    except (RegardError, MemoryError):
        raise
    except Exception as error:  # a model is anybody's code: whatever it raises becomes a line
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise RunError(
            f"{made.subject.name} failed on this input ({reason}); does it run without being watched?"
        ) from error


def _notes(given: Input, budget: float | None) -> tuple[str, ...]:
    notes = []
    if given.tokens is not None:
        notes.append(f"At most {given.tokens:,} tokens of the text were read.")
    if budget is not None and budget < 1:
        notes.append(f"Budget {budget:g}: tokens that were dropped are no keys any more.")
    return tuple(notes)


def _address(made: Ready) -> str | None:
    """The picture as a data address: the model's own view of it, or the run's."""
    png = made.picture()
    if png is not None:
        return address(png)
    return None if made.subject.picture is None else address(made.subject.picture)


def address(picture: bytes | Image) -> str:
    """A picture, or its PNG, as a data address."""
    if not isinstance(picture, bytes):
        out = BytesIO()
        picture.save(out, format="PNG")
        picture = out.getvalue()
    return "data:image/png;base64," + base64.b64encode(picture).decode()
