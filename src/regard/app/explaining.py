"""One text, read by a run's model: from its prediction to what is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.app.sheet import sheet
from regard.lens.reading import LIMITS, Reading
from regard.lens.removal import COUNT, removal_check
from regard.lens.words import merge

if TYPE_CHECKING:
    from regard.train.run import Run

_LISTED = 10


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
