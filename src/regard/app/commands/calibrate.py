"""`regard calibrate`: how fast each kernel is on this machine, for the planner."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from regard.app.counting import counted
from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.engine.calibration import Calibration, Key, Rates
    from regard.engine.calibration_fit import Choice
    from regard.engine.calibration_run import Measured

Column: TypeAlias = tuple[str, "Callable[[Rates], str]"]

_LEAST_S = 30  # seconds: in less, no machine gets to the longer requests
_CLOSE = 1.1  # a choice is good when it takes at most so many times the fastest kernel's time


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(calibrate)


def calibrate(
    seconds: Annotated[float, typer.Option(min=_LEAST_S, help="About how long to measure.")] = 120,
    show: Annotated[bool, typer.Option("--show", help="Measure nothing; print the calibration in use.")] = False,
    file: Annotated[
        Path | None, typer.Option(help="Write (or show) this file, not the one that the planner reads.")
    ] = None,
) -> None:
    """How fast each kernel is on this machine, for the planner.

    Runs every kernel on requests of many shapes, masks and dtypes, fits what an operation, a byte and a call take, and
    says how far off its predictions are. Leave the machine alone meanwhile. Ctrl-C keeps the old calibration.

    \b
    Examples:
      regard calibrate
      regard calibrate --show
    """
    screen = Screen()
    if show:
        _show(screen, file)
        return
    from regard.engine.calibration import Calibration, this_machine
    from regard.engine.calibration_file import own_path, write
    from regard.engine.calibration_fit import choices
    from regard.engine.calibration_grid import grid
    from regard.engine.calibration_run import measure

    machine = this_machine()
    screen.line(f"measuring {machine.words()}")
    with counted(screen, 1.0, lambda done: f"{done:.0%} measured") as tell:
        measured = measure(grid(), seconds, tell)
    timed, rates = measured.timed, _rates(measured, seconds)
    calibration = Calibration(machine, rates)
    screen.lines(_table(calibration, _OFF))
    screen.lines(_chosen(choices(timed, rates)))
    if measured.left_out:
        screen.line(f"{_left_out(measured)}; for all of them: {_enough(measured, seconds)}")
    path = own_path() if file is None else file
    write(calibration, path)
    screen.line(f"written to {path}" + ("" if file else f": the planner reads it on {machine.processor()}"))


def _rates(measured: Measured, seconds: float) -> dict[Key, Rates]:
    """The rates fitted to what was measured. Raises `RunError` where too much is missing for them to be any good."""
    from regard.engine.calibration_fit import LEAST_REQUESTS, fitted
    from regard.spec.errors import RunError

    remedy = f"nothing was written; type: regard calibrate {_enough(measured, seconds)}"
    if not measured.enough:
        raise RunError(f"in {seconds:g} s {_left_out(measured)}: rates fitted to the rest would mislead; {remedy}")
    rates = fitted(measured.timed)
    if not rates:
        raise RunError(f"in {seconds:g} s no kernel ran {LEAST_REQUESTS} requests; {remedy}")
    return rates


def _left_out(measured: Measured) -> str:
    return f"{measured.left_out} of {measured.left_out + len(measured.timed)} times were left out, the longest"


def _enough(measured: Measured, seconds: float) -> str:
    """The option that leaves enough time, in whole tens of seconds: never what was given."""
    return f"--seconds {10 * math.ceil(max(measured.needed, 1.2 * seconds) / 10)}"


def _show(screen: Screen, file: Path | None) -> None:
    from regard.engine.calibration import current, this_machine
    from regard.engine.calibration_file import own, own_path, read, shipped_path

    mine = own() if file is None else None  # first: an error here, where `current` would only warn
    calibration = current() if file is None else read(file)
    screen.line(calibration.words())
    screen.line(f"read from {calibration.path or shipped_path()}")
    if calibration.path is None and mine is not None:
        screen.line(f"not {own_path()}: it is of {mine.machine.processor()}, this is {this_machine().processor()}")
    if calibration.behind is not None and not calibration.rates.keys() >= calibration.behind.rates.keys():
        screen.line(f"where it has no row: {calibration.behind.words()}")
    if not calibration.rates:
        screen.line("it has no rates: the planner goes by those that ship with regard")
        return
    screen.lines(_table(calibration, _SPEEDS + _OFF))
    screen.line("off: predicted / measured, or its inverse, on requests held out of the fit")


def _speed(unit: float, seconds: float) -> str:
    """How many units go in a second; a dash where they cost nothing."""
    return f"{1 / seconds / unit:.3g}" if seconds else "-"


_SPEEDS: tuple[Column, ...] = (
    ("a call, µs", lambda rates: f"{rates.fixed * 1e6:.3g}"),
    ("a step, µs", lambda rates: f"{rates.step * 1e6:.3g}" if rates.step else "-"),
    ("GFLOP/s", lambda rates: _speed(1e9, rates.flop)),
    ("Gscores/s", lambda rates: _speed(1e9, rates.cell)),
    ("GB/s", lambda rates: _speed(1e9, rates.byte)),
    ("Gbiases/s", lambda rates: _speed(1e9, rates.bias)),
)
_OFF: tuple[Column, ...] = (
    ("requests", lambda rates: f"{rates.requests}"),
    ("median off", lambda rates: f"{rates.median_off:.2f} x"),
    ("worst off", lambda rates: f"{rates.worst_off:.2f} x"),
)


def _chosen(choices: list[Choice]) -> list[str]:
    """How often the planner chooses well with this calibration, and where it does worst."""
    if not choices:
        return []
    good = sum(choice.ratio <= _CLOSE for choice in choices)
    worst = max(choices, key=lambda choice: choice.ratio)
    lines = [
        f"the planner's choice is within {_CLOSE - 1:.0%} of the fastest kernel on {good} of {len(choices)} requests"
    ]
    if worst.ratio > _CLOSE:
        lines.append(
            f"worst: {worst.chosen} takes {worst.ratio:.2f} x {worst.fastest}'s time for {worst.asked.words()}"
        )
    return lines


def _table(calibration: Calibration, columns: tuple[Column, ...]) -> list[str]:
    header = ("kernel", "dtype", "direction", *(name for name, _ in columns))
    rows = [(*key, *(said(rates) for _, said in columns)) for key, rates in sorted(calibration.rates.items())]
    return sheet(header, rows, words=3)
