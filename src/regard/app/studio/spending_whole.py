"""Budgets of a model that answers in one pass: every query of the input on its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.allocate.peak import extra_bytes
from regard.allocate.sample import main_of
from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.looking import told
from regard.app.studio.readying import Desk, Ready, ready
from regard.app.studio.spending import HeadRow, Row, Spent, budget_of
from regard.app.studio.spending_own import Reasons, spent_by
from regard.app.studio.subjects import Found
from regard.lens.figures import figures
from regard.lens.watch import watch
from regard.spec.errors import SpecError

_ROUNDS = 3  # passes of which the fastest is told
MEASURED = "error: |output - exact| / |exact| of the model's own output; seconds: one pass over the whole input"


@dataclass(frozen=True, eq=False)
class _Pass:
    """What one way of running came to. output: None where the model gives no tensor, or its parts are called apart.
    passes: of the model, all in all."""

    output: Tensor | None
    answer: str | None
    seconds: float
    bytes: int | None
    passes: int


def of_keys(job: Job, desk: Desk, found: Found, given: Input, shares: Sequence[float], policy: str) -> Spent:
    """Each share of the bytes of keys and values, spent by a policy."""
    made = ready(desk, found, given)
    model, steps = made.subject.model, len(shares) + 2
    job.tell(0.0, f"{found.name} reads {made.subject.size}")
    heads = _heads(job, made)
    exact = _pass(made, _teller(job, 1, steps, "without a budget"), job)
    rows, reasons, everything = [], Reasons(), None
    for place, share in enumerate(shares):
        tell = _teller(job, place + 2, steps, f"on {share:.0%}")
        with spent_by(found, model, budget_of(share, policy)) as spending:
            ran = _pass(made, tell, job)
        reasons.add(share, spending.left, spending.plain, len(spending.full))
        read, full = sum(spending.read.values()), sum(spending.full.values())
        own = tuple(_with(head, _read(spending.read, spending.full, head.layer)) for head in heads)
        cache, everything = (read / ran.passes, full / ran.passes) if full else (None, None)
        rows.append(_row(share, ran, exact, heads=own, share=read / full if full else 1.0, cache=cache))
    whole = _row(1.0, exact, exact, heads=heads, cache=everything)
    return Spent(exact=whole, rows=tuple(rows), measured=MEASURED, notes=tuple(reasons.notes()))


def of_tokens(job: Job, desk: Desk, found: Found, given: Input, shares: Sequence[float]) -> Spent:
    """Each share of the tokens that a run's layers process: the others are dropped on the way."""
    steps = len(shares) + 2
    made = ready(desk, found, given, budget=1.0)
    job.tell(0.0, f"{found.name} reads {made.subject.size}")
    heads = _heads(job, made)
    exact = _pass(made, _teller(job, 1, steps, "without a budget"), job)
    rows = []
    for place, share in enumerate(shares):
        less = ready(desk, found, given, budget=share)
        ran = _pass(less, _teller(job, place + 2, steps, f"with {share:.0%} of the tokens"), job)
        rows.append(_row(share, ran, exact, heads=heads, share=None))
    notes = (
        "The budget is a share of the tokens that the layers process; those that are dropped are read by no later one.",
    )
    return Spent(exact=_row(1.0, exact, exact, heads=heads), rows=tuple(rows), measured=MEASURED, notes=notes)


def _row(
    fraction: float,
    ran: _Pass,
    exact: _Pass,
    *,
    heads: tuple[HeadRow, ...],
    share: float | None = 1.0,
    cache: float | None = None,
) -> Row:
    error = None
    if ran.output is not None and exact.output is not None and ran.output.shape == exact.output.shape:
        error = float((ran.output - exact.output).norm() / exact.output.norm().clamp_min(1e-30))
    return Row(
        fraction=fraction,
        share=share,
        answer=ran.answer,
        error=error,
        seconds=ran.seconds,
        bytes=ran.bytes,
        cache_bytes=cache,
        heads=heads,
    )


def _pass(made: Ready, tell: Callable[[float, str], None], job: Job) -> _Pass:
    """The fastest of a few passes, and what the first one took and gave."""
    seconds = []
    with told(made.subject.model, tell, job.check), torch.no_grad(), _captured(made.subject.model) as seen:
        for round_ in range(_ROUNDS):
            began = time.perf_counter()
            if round_:
                made.subject.run()
            else:
                _, peak = extra_bytes(made.subject.run)
            seconds.append(time.perf_counter() - began)
        answer = made.again()
    return _Pass(seen.output, answer, min(seconds[1:]), peak, seen.passes or _ROUNDS)


@dataclass
class _Seen:
    output: Tensor | None = None
    passes: int = 0


@contextmanager
def _captured(model: nn.Module) -> Iterator[_Seen]:
    """What the model gave when it was first called in this block, and how often it was."""
    seen = _Seen()

    def keep(_: nn.Module, __: Any, output: Any) -> None:
        seen.passes += 1
        if seen.output is None:
            with suppress(SpecError):  # no tensor: the answer alone is told
                seen.output = main_of(output).detach().double().clone()

    handle = model.register_forward_hook(keep)
    try:
        yield seen
    finally:
        handle.remove()


def _heads(job: Job, made: Ready) -> tuple[HeadRow, ...]:
    """Where the heads of the exact model look."""
    with (
        watch(made.subject.model) as seen,
        told(made.subject.model, lambda *_: None, job.check),
        torch.no_grad(),
    ):
        made.subject.run()
    return tuple(
        HeadRow(one.layer, one.head, one.breadth, one.distance, one.first) for one in figures(made.subject.traced(seen))
    )


def _with(head: HeadRow, read: float | None) -> HeadRow:
    return HeadRow(head.layer, head.head, head.breadth, head.distance, head.first, read)


def _read(read: dict[str, float], full: dict[str, float], layer: str) -> float | None:
    return read[layer] / full[layer] if full.get(layer) else None


def _teller(job: Job, step: int, steps: int, words: str) -> Callable[[float, str], None]:
    return lambda fraction, line: job.tell((step - 1 + min(fraction, 1.0)) / steps, f"{words}: {line}")
