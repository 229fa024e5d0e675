"""One call of a kernel as it is timed: with its backward pass where a gradient is wanted."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

from regard.kernels.row import Row
from regard.spec.request import Request

Call = Callable[[], None]

_SHORT = 1e-3  # seconds: a call that is shorter is repeated until a sample takes about this long
_MOST = 1000  # calls in a sample


def call_of(row: Row, request: Request) -> Call:
    """The kernel's forward pass and, where a gradient is wanted, its backward pass; no `.grad` is touched."""
    wanted = [t for t in request.tensors() if t.requires_grad] if request.wants_gradient() else []
    if not wanted:
        return lambda: _done(row, request)
    back = torch.ones(request.output_shape, dtype=request.query.dtype, device=request.place.device)

    def both() -> None:
        torch.autograd.grad(row.run(request)[0], wanted, back, allow_unused=True)

    return both


def sample(call: Call, device: torch.device, calls: int = 1) -> float:
    """Seconds a call, over `calls` calls in a row."""
    _wait(device)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    _wait(device)
    return (time.perf_counter() - start) / calls


def calls_for(seconds: float) -> int:
    """How many calls make a sample that the clock can tell, if one takes this long."""
    return max(1, min(_MOST, round(_SHORT / max(seconds, 1e-9))))


def in_turns(calls: Sequence[Call], device: torch.device, *, rounds: int, seconds: float) -> list[float]:
    """The median time of each, taking turns, after a call of each that is not counted. Stops after `rounds` or, when
    each has had a turn, after `seconds`."""
    with quiet(device):
        repeats = [calls_for(sample(call, device)) for call in calls]
        taken: list[list[float]] = [[] for _ in calls]
        start = time.perf_counter()
        for turn in range(rounds):
            order = list(range(len(calls)))
            for index in order if turn % 2 == 0 else reversed(order):  # so that no one is always first
                taken[index].append(sample(calls[index], device, repeats[index]))
            if time.perf_counter() - start > seconds:
                break
    return [statistics.median(each) for each in taken]


@contextmanager
def quiet(device: torch.device) -> Iterator[None]:
    """No garbage is collected meanwhile, and torch's random state is after it what it was before."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        if was_on:
            gc.enable()


def _done(row: Row, request: Request) -> None:
    row.run(request)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":  # its kernels return before they are done
        torch.cuda.synchronize(device)
