"""Where a run looked, of tasks whose answers are made piece by piece: attention alone, without evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.app.sheet import shades, sheet
from regard.lens.alignment_page import ALIGNMENT_LIMITS, alignment_page
from regard.lens.picture_page import picture_page
from regard.lens.units import placed
from regard.spec.errors import RunError

if TYPE_CHECKING:
    from regard.tasks.explained import Alignment, Explained, Picture
    from regard.tasks.task import Given
    from regard.train.run import Run

ATTENTION_LIMITS = (
    "Weights show where this model's last attention looked, after its encoder had already mixed each part with its "
    "neighbours: they are not proof of what caused the answer, and how faithful they are was not measured."
)
_LISTED = 10
_EACH = 3  # units shown of each written piece


def show_units(screen: Screen, run: Run, given: Given, row: int) -> Explained:
    """Prints what a run looked at in one of the rows (from 0): the answer, and the heaviest units, or of an answer that
    was written piece by piece those of each piece.

    Raises:
        RunError: the task explains nothing.
    """
    found = run.explain(given, row)
    screen.title(f"{given.shown[row]}: {found.answer}")
    screen.line()
    if found.picture is not None:
        _draw(screen, found, found.picture)
    if found.alignment is not None:
        piece = found.alignment.kind
        screen.title(f"Where each {piece} looked (weights: {found.how}; of each written {piece} 1 in all)")
        screen.lines(sheet(("written", "looked at most"), _looked(found, found.alignment), words=2))
        screen.line(ALIGNMENT_LIMITS)
        return found
    screen.title(f"Heaviest of {len(found.units):,} (weights: {found.how}; all together are 1)")
    rows = [(unit.name, f"{unit.weight:.3f}") for unit in _placed(found).heaviest(_LISTED)]
    screen.lines(sheet((found.kind, "weight"), rows))
    screen.line(ATTENTION_LIMITS)
    return found


def _draw(screen: Screen, found: Explained, picture: Picture) -> None:
    """The picture's patches in shades of their share of the heaviest."""
    weights = [unit.weight for unit in found.units[picture.patches]]
    lines = [weights[row * picture.columns :][: picture.columns] for row in range(picture.rows)]
    screen.title(f"The picture in {picture.rows} x {picture.columns} patches, dark where the weight is (heaviest: █)")
    screen.lines(shades(lines, [str(row + 1) for row in range(picture.rows)]))
    screen.line()


def units_page(run: Run, found: Explained) -> str:
    """One HTML file of a picture's patches, or of an answer that was written piece by piece.

    Raises:
        RunError: the answer is no such one.
    """
    if found.picture is not None:
        return _pictures(run, found, found.picture)
    if found.alignment is None:
        raise RunError(f"a run of {run.task.name} writes no text, so that there is no page of it; leave --html out")
    return alignment_page(
        answer=found.answer,
        units=[unit.name for unit in found.units],
        written=found.alignment.written,
        weights=found.alignment.weights,
        kind=found.kind,
        how=found.how,
        model=f"Written by the {run.settings.core.kind} of the run {run.folder.name!r}, task {run.task.name}",
    )


def _pictures(run: Run, found: Explained, picture: Picture) -> str:
    """A page with the picture: once as a whole, and once for each written piece."""
    looks = [("all of it", [unit.weight for unit in found.units[picture.patches]])]
    if found.alignment is not None:
        pieces = zip(found.alignment.written, found.alignment.weights, strict=True)
        looks += [(piece, list(weights[picture.patches])) for piece, weights in pieces]
    others = [*found.units[: picture.first], *found.units[picture.patches.stop :]]
    return picture_page(
        answer=found.answer,
        png=picture.png,
        grid=(picture.rows, picture.columns),
        looks=looks,
        others=[(unit.name, unit.weight) for unit in others],
        how=found.how,
        model=f"Answered by the {run.settings.core.kind} of the run {run.folder.name!r}, task {run.task.name}",
        limits=ATTENTION_LIMITS if found.alignment is None else ALIGNMENT_LIMITS,
    )


def _placed(found: Explained) -> Explained:
    """The same; names that several units have with their places."""
    names = placed([unit.name for unit in found.units])
    return replace(found, units=tuple(replace(unit, name=name) for unit, name in zip(found.units, names, strict=True)))


def _looked(found: Explained, alignment: Alignment) -> list[tuple[str, str]]:
    """Each written piece, and the units it looked at most, heaviest first."""
    rows, units = [], _placed(found).units
    for piece, weights in zip(alignment.written, alignment.weights, strict=True):
        order = sorted(range(len(weights)), key=lambda unit: -weights[unit])[:_EACH]
        rows.append((piece, "  ".join(f"{units[unit].name} {weights[unit]:.2f}" for unit in order)))
    return rows
