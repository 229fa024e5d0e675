"""Why an answer: explanations by the methods of `regard explain`, beside the answers and never in their way."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from regard.app.commands.predict import rounded
from regard.app.serving.answering import told_alone
from regard.app.serving.batcher import Item
from regard.app.serving.kinds import Kind
from regard.app.serving.why import Why
from regard.lens.evidenced import evidenced
from regard.lens.explain import BEST, best, weigh
from regard.lens.question import Gradients, Question, Way
from regard.tasks.task import Given
from regard.train.run import Run


@dataclass(eq=False)
class Whys:
    """What the batcher of explanations calls, in its thread: answers with their explanations, one item at a time.

    The model is a copy: methods hang hooks on its modules, which the answers of the other thread must not meet.
    seconds: after which an explanation is given up between two passes of the model, as nobody waits for it any more.
    """

    run: Run
    kind: Kind
    seconds: float
    _own: Run | None = field(default=None, init=False)

    def __call__(self, items: Sequence[Item]) -> Sequence[Any]:
        return [self._one(item) for item in items]

    def _one(self, item: Item) -> Any:
        if self._own is None:
            self._own = replace(self.run, model=copy.deepcopy(self.run.model))
        own, until = self._own, time.monotonic() + self.seconds

        def explained(given: Given, row: int) -> dict[str, Any]:
            return _why(own, given, row, Why(**item.explain), until)

        return told_alone(own, self.kind, item, explained)


def _why(run: Run, given: Given, row: int, wish: Why, until: float) -> dict[str, Any]:
    """One row's explanation, as `regard explain` makes it of the same row, in plain values."""
    question = _timed(run.question(given, wish.target, row=row, words=True), until)
    found = best([question]) if wish.method == BEST else weigh(question, wish.method)
    texts = question.units.texts
    plain: dict[str, Any] = {
        "answer": found.target,
        "probability": found.probability,
        "method": found.method,
        "how": found.how,
        "kind": question.units.kind,
        "units": [{"name": name, "weight": weight} for name, weight in zip(texts, found.weights.tolist(), strict=True)],
    }
    if wish.evidence:
        measured = evidenced(question, found).evidence
        assert measured is not None
        plain["evidence"] = measured.plain()
    shown: dict[str, Any] = rounded(plain)
    return shown


def _timed(question: Question, until: float) -> Question:
    """The question, which raises `TimeoutError` when it is asked for another pass after `until`."""

    def timed(score: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def asked(given: Any) -> Any:
            if time.monotonic() > until:
                raise TimeoutError
            return score(given)

        return asked

    ways = {name: Way(way.words, timed(way.score)) for name, way in question.ways.items()}
    slopes: Gradients | None = question.gradients
    if slopes is not None:
        slopes = replace(slopes, score=timed(slopes.score))
    return replace(question, ways=ways, gradients=slopes)
