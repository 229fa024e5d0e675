"""One text, read by a run's model: from its prediction to what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.app.sheet import shades, sheet
from regard.lens.alignment_page import ALIGNMENT_LIMITS, alignment_page
from regard.lens.picture_page import picture_page
from regard.lens.reading import LIMITS, Reading
from regard.lens.removal import COUNT, removal_check
from regard.lens.words import merge
from regard.spec.errors import RunError, SpecError

if TYPE_CHECKING:
    from regard.tasks.explained import Alignment, Explained, Picture
    from regard.tasks.task import Given
    from regard.train.run import Run

_LISTED = 10
_EACH = 3  # units shown of each written piece


def read(run: Run, text: str, *, count: int = COUNT, seed: int = 0) -> Reading:
    """Predicts, merges tokens into words, and checks by removal (see `removal_check` for `count` and `seed`)."""
    found = run.predict([text])[0]
    words = merge(text, found.tokens)

    def probability(texts: Sequence[str]) -> list[float]:
        return [dict(one.probabilities)[found.label] for one in run.predict(texts)]

    return Reading(
        text=text,
        label=found.label,
        probability=found.probability,
        probabilities=found.probabilities,
        words=words,
        unread=found.unread,
        removal=removal_check(text, words, probability, label=found.label, count=count, seed=seed),
        model=f"Read by the {run.settings.core.kind} of the run {run.folder.name!r}, task {run.task.name}"
        + _budget(run),
    )


def _budget(run: Run) -> str:
    """A word that weighs 0 may be one that was never processed: then the page says so."""
    budget = run.settings.core.budget
    return "" if budget == 1 else f"; budget {budget:g}, words that were dropped weigh 0"


def show_units(screen: Screen, run: Run, given: Given, row: int) -> Explained:
    """Prints what a run looked at in one of the rows (from 1): the answer, and the heaviest units, or for an answer
    that was written piece by piece those of each piece.

    Raises:
        SpecError: there are not so many rows.
        RunError: the task explains nothing.
    """
    if row > len(given.part):
        raise SpecError(f"--row {row}: {given.name} has {len(given.part):,} rows that can be used; ask for one of them")
    found = run.explain(given, row - 1)
    screen.title(f"{given.shown[row - 1]}: {found.answer}")
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
    rows = [(unit.name, f"{unit.weight:.3f}") for unit in found.heaviest(_LISTED)]
    screen.lines(sheet((found.kind, "weight"), rows))
    screen.line(LIMITS)
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
        limits=LIMITS if found.alignment is None else ALIGNMENT_LIMITS,
    )


def _looked(found: Explained, alignment: Alignment) -> list[tuple[str, str]]:
    """Each written piece, and the units it looked at most, heaviest first."""
    rows = []
    for piece, weights in zip(alignment.written, alignment.weights, strict=True):
        order = sorted(range(len(weights)), key=lambda unit: -weights[unit])[:_EACH]
        rows.append((piece, "  ".join(f"{found.units[unit].name} {weights[unit]:.2f}" for unit in order)))
    return rows


def show(screen: Screen, reading: Reading) -> None:
    """Prints a reading: the answer, the text (coloured on a terminal), the heaviest words, and the evidence."""
    from regard.lens.terminal import painted

    screen.title(f"{reading.label}  (probability {reading.probability:.3f})")
    others = [f"{label} {probability:.3f}" for label, probability in reading.probabilities[1:]]
    screen.line(f"other answers: {', '.join(others)}")
    screen.line()
    screen.line(painted(reading))
    screen.line()
    if reading.unread:
        screen.line(f"{reading.unread} tokens of this text are not read: it is longer than the model reads.")
    screen.title("Heaviest words (all weights together are 1)")
    rows = [(word.text, f"{word.weight:.3f}") for word in reading.heaviest(_LISTED)]
    screen.lines(sheet(("word", "weight"), rows))
    screen.line()
    screen.title("A small check: words taken away")
    if reading.removal is None:
        screen.line("none: the text has fewer than two words")
    else:
        for line in reading.removal.lines():
            screen.line(line)
    screen.line(LIMITS)
