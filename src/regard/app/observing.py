"""From a model and an input to a trace, and to what is printed of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from regard.app.layer_progress import layer_progress
from regard.app.screen import Screen
from regard.app.sheet import sheet
from regard.app.subject import Subject
from regard.lens.terminal import coloured
from regard.lens.trace import Trace
from regard.lens.watch import watch
from regard.spec.errors import RegardError, RunError

if TYPE_CHECKING:
    from regard.lens.trace_view import Table, View

_BINS = 256  # a side of each head's map: what a report shows at most
_SHOWN = 2000  # characters of the text that are printed


@dataclass(frozen=True)
class Asked:
    """What to keep of a model's attention; see `watch`."""

    top: int = 8
    layers: tuple[int | str, ...] | None = None
    heads: tuple[int, ...] | None = None
    queries: range | None = None
    sample: float | None = None


def observe(screen: Screen, subject: Subject, asked: Asked) -> Trace:
    """Runs the model once on its input, and gives where its attention went.

    Raises:
        SpecError: the model has no attention that can be seen, or not the layers, heads or queries asked for.
    """
    recorded = watch(
        subject.model,
        top=asked.top,
        bins=(_BINS, _BINS),
        layers=asked.layers,
        heads=asked.heads,
        queries=asked.queries,
        sample=asked.sample,
    )
    screen.line(f"{subject.name} reads {subject.size}")
    with layer_progress(screen, subject.model), recorded as seen, torch.inference_mode():
        _run(subject)
    return subject.traced(seen)


def _run(subject: Subject) -> None:
    try:
        subject.run()
    except (RegardError, MemoryError):
        raise
    except Exception as error:  # a model is anybody's code: whatever it raises becomes a line
        reason = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{subject.name} failed on this input ({reason}); does it run without being observed?"
        ) from error


def show(screen: Screen, view: View) -> None:
    """Prints a view: ranked heads, the text by the mass its words received, the heaviest words, the sinks."""
    screen.title(view.title)
    screen.line()
    _table(screen, view.heads)
    if view.pieces and screen.is_terminal:  # elsewhere there are no colours, and so nothing to see
        shown, left = _cut(view.pieces)
        screen.title("The text, darker where more attention went")
        screen.line(coloured(shown))
        if left:
            screen.line(f"... and {left:,} more characters, which a report shows (--out FILE.html)")
        screen.line()
    _table(screen, view.heaviest)
    _table(screen, view.sinks)
    for line in view.unseen:
        screen.line(line)
    screen.line(view.limits)


def _table(screen: Screen, table: Table) -> None:
    screen.title(table.title)
    if table.rows:
        rows = _narrow(table.rows) if screen.is_terminal else table.rows
        screen.lines(sheet(table.header, rows, words=table.words, width=screen.width))
    if table.note:
        screen.line(table.note)
    screen.line()


def _narrow(rows: tuple[tuple[str, ...], ...]) -> list[tuple[str, ...]]:
    """Rows whose last cell names several things, one below the other: a terminal is not as wide as a log."""
    made: list[tuple[str, ...]] = []
    for row in rows:
        first, *more = row[-1].split("; ")
        made.append((*row[:-1], first))
        made += [(*[""] * (len(row) - 1), part) for part in more]
    return made


def _cut(pieces: tuple[tuple[str, float], ...]) -> tuple[list[tuple[str, float]], int]:
    """The pieces that make up about the first 2,000 characters, and how many characters come after them."""
    at, shown = 0, []
    for text, share in pieces:
        if at >= _SHOWN:
            break
        shown.append((text, share))
        at += len(text)
    return shown, sum(len(text) for text, _ in pieces) - at
