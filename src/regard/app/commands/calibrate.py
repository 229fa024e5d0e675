"""`regard calibrate`: how fast each kernel is on this machine, for the planner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from regard.app.counting import counted
from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.engine.calibration import Calibration, Rates
    from regard.engine.calibration_fit import Choice

Column: TypeAlias = tuple[str, "Callable[[Rates], str]"]

_CLOSE = 1.1  # a choice is good when it takes at most so many times the fastest kernel's time


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(calibrate)


def calibrate(
    seconds: Annotated[float, typer.Option(min=1, help="About how long to measure.")] = 120,
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
    from regard.engine.calibration_fit import LEAST_REQUESTS, choices, fitted
    from regard.engine.calibration_grid import grid
    from regard.engine.calibration_run import measure

    machine = this_machine()
    screen.line(f"measuring {machine.words()}")
    with counted(screen, 1.0, lambda done: f"{done:.0%} measured") as tell:
        timed, left_out = measure(grid(), seconds, tell)
    rates = fitted(timed)
    if not rates:
        raise typer.BadParameter(
            f"in {seconds:g} s no kernel ran {LEAST_REQUESTS} requests; give more time", param_hint="--seconds"
        )
    calibration = Calibration(machine, rates)
    screen.lines(_table(calibration, _OFF))
    screen.lines(_chosen(choices(timed, rates)))
    if left_out:
        screen.line(f"{left_out} of {left_out + len(timed)} times were left out, the longest; give more --seconds")
    path = own_path() if file is None else file
    write(calibration, path)
    screen.line(f"written to {path}" + ("" if file else f": the planner reads it on {machine.processor()}"))


def _show(screen: Screen, file: Path | None) -> None:
    from regard.engine.calibration import current, this_machine
    from regard.engine.calibration_file import own_path, read

    calibration = current() if file is None else read(file)
    screen.line(calibration.words())
    if file is None and calibration.path is None and own_path().exists():
        here, other = this_machine(), read(own_path()).machine
        screen.line(f"not {own_path()}: it is of {other.processor()}, this is {here.processor()}")
    if not calibration.rates:
        screen.line("it has no rates: the planner goes by the kernel table's rough constants")
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
