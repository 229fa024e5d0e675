"""One answer, explained: a method that is asked for or chosen, and the evidence for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from regard.app.counting import counted
from regard.app.screen import Screen
from regard.app.sheet import shades, sheet
from regard.lens.evidence import DRAWS, how_many
from regard.lens.evidenced import evidenced, sampled
from regard.lens.explain import BEST, best, weigh
from regard.lens.explanation import Explanation
from regard.lens.faithfulness import Measured
from regard.lens.methods import Asking
from regard.lens.question import Question
from regard.lens.reading import LIMITS, Reading
from regard.lens.units import plural

CHOSEN_ON = 10  # further inputs, at most, on which the best method is chosen; the evidence is measured on others
_LISTED = 10

Ask = Callable[[], Question]


@dataclass(frozen=True)
class Wish:
    """How an answer is to be explained. method: a name, or "best". ways: how units are taken away for the evidence, the
    first also where a method takes some away; by default all that there are. draws, seed: of random orders."""

    method: str = BEST
    ways: tuple[str, ...] | None = None
    draws: int = DRAWS
    seed: int = 0

    @property
    def asking(self) -> Asking:
        return Asking(way=None if self.ways is None else self.ways[0], seed=self.seed)


class Asked(Protocol):
    """One input of one model, and further inputs to measure on."""

    def question(self, target: str | None) -> Question:
        """Why this answer? Raises `SpecError` for one that is not there, `RunError` for a run that is asked nothing."""

    def others(self, count: int, *, choosing: bool) -> tuple[list[Ask], list[Ask]]:
        """Questions about `count` further inputs at most, to measure on; where there is a method to choose, also about
        a few after them, to choose on."""

    def reading(self, explanation: Explanation, question: Question) -> Reading:
        """The explanation beside whatever else there is to say."""

    def written(self) -> bool:
        """Whether, where nothing more is asked, each piece of the answer is shown with where it looked."""

    def page(self, reading: Reading) -> str:
        """One HTML file."""


def split(asks: Sequence[Ask], count: int, *, choosing: bool) -> tuple[list[Ask], list[Ask]]:
    """`count` to measure on, and where there is a method to choose the next few for that: of few a third, so that what
    is asked for as evidence never takes the rows of the choice."""
    kept = min(CHOSEN_ON, math.ceil(len(asks) / 3)) if choosing else 0
    count = min(count, len(asks) - kept)
    return list(asks[:count]), list(asks[count : count + kept])


def explained(
    screen: Screen, question: Question, wish: Wish, *, sample: Sequence[Ask], choose: Sequence[Ask]
) -> Explanation:
    """Answers a question, and measures the answer on it and on a `sample` of further ones. The best method is chosen on
    this question and those of `choose`.

    Raises:
        SpecError: no such method or way, or one that this model does not allow.
    """
    if wish.method == BEST:
        found = best([question, *(ask() for ask in choose)], wish.asking)
    else:
        found = weigh(question, wish.method, wish.asking)
    known: list[bool | None] = []
    measured = tuple(_measured(screen, _asked(sample, known), len(sample), found.method, wish)) if sample else ()
    return evidenced(
        question,
        found,
        ways=wish.ways,
        draws=wish.draws,
        seed=wish.seed,
        sample=measured,
        sample_trained_on=how_many(known),
    )


def _asked(sample: Sequence[Ask], known: list[bool | None]) -> Iterator[Question]:
    """The questions, one at a time; `known` is told whether the model was trained on each."""
    for ask in sample:
        question = ask()
        known.append(question.trained_on)
        yield question


def _measured(screen: Screen, questions: Iterator[Question], count: int, method: str, wish: Wish) -> Iterator[Measured]:
    with counted(screen, count, lambda done: f"measured on {done:.0f} of {count:,} inputs") as tell:
        found = sampled(questions, method, asking=wish.asking, draws=wish.draws)
        for done, one in enumerate(found, 1):
            tell(done)
            yield one


def show(screen: Screen, reading: Reading) -> None:
    """Prints a reading: the answer, what was read (coloured on a terminal), the heaviest units, and the evidence."""
    from regard.lens.terminal import painted

    found = reading.explanation
    if reading.said:
        screen.title(reading.said)
    screen.title(f"{found.target}  (probability {found.probability:.3f})" if reading.probable else found.target)
    others = [f"{name} {probability:.3f}" for name, probability in reading.answers if name != found.target]
    if others:
        screen.line(f"other answers: {', '.join(others)}")
    screen.line()
    grid = found.units.grid or reading.beside
    if grid is None:
        screen.line(painted(reading))
    else:
        _draw(screen, found, grid)
    screen.line()
    for note in reading.notes:
        screen.line(note)
    heaviest = reading.heaviest(_LISTED)
    title = f"Heaviest {plural(reading.kind)}, by {found.method}"
    if not heaviest:
        screen.title(f"{title}: none speaks for it, no weight is above 0")
        screen.line()
    _list(screen, title, reading.kind, heaviest)
    _list(screen, "What speaks against it", reading.kind, reading.against(_LISTED))
    screen.title("How faithful")
    for line in () if found.evidence is None else found.evidence.lines():
        screen.line(line)
    screen.line()
    screen.line(f"Weights by {found.method}: {found.how}.")
    screen.line(LIMITS)


def _list(screen: Screen, title: str, kind: str, found: Sequence[tuple[str, float]]) -> None:
    if not found:
        return
    screen.title(title)
    screen.lines(sheet((kind, "weight"), [(text, f"{weight:.3f}") for text, weight in found]))
    screen.line()


def _draw(screen: Screen, found: Explanation, grid: tuple[int, int]) -> None:
    """Patches in shades of their share of the heaviest; what speaks against the answer stays blank."""
    rows, columns = grid
    weights = found.weights[found.units.special :].clamp(min=0).tolist()
    screen.title(f"The picture in {rows} x {columns} patches, dark where the weight is (heaviest: █)")
    screen.lines(
        shades([weights[row * columns :][:columns] for row in range(rows)], [str(row + 1) for row in range(rows)])
    )
