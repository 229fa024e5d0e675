"""A run's answers to a batch of items; what is wrong with one is that one's alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from regard.app.commands.predict import rounded
from regard.app.serving.batcher import Item
from regard.app.serving.kinds import Kind
from regard.app.serving.sentences import of_reader
from regard.spec.errors import DataError, RegardError
from regard.tasks.explained import Explained
from regard.tasks.task import Given
from regard.train.run import Run

Explain = Callable[[Given, int], dict[str, Any]]  # rows and which of them (from 0) -> its explanation in plain values


@dataclass(frozen=True)
class Answering:
    """What the batcher calls, in its thread."""

    run: Run
    kind: Kind

    def __call__(self, items: Sequence[Item]) -> Sequence[Any]:
        """What is said of each item, as `regard predict` says it; an exception in its place where it cannot be."""
        if self.kind.together and len(items) > 1:
            try:
                return _told(self.run, self.kind.given(self.run, [item.given for item in items]), self._how(items[0]))
            except RegardError:
                pass  # of some item: which one is found out one by one
        return [told_alone(self.run, self.kind, item, self._how(item)) for item in items]

    def _how(self, item: Item) -> Explain | None:
        return self._looked if item.explain else None

    def _looked(self, given: Given, row: int) -> dict[str, Any]:
        return _plain(self.run.explain(given, row))


def told_alone(run: Run, kind: Kind, item: Item, explain: Explain | None) -> Any:
    """What is said of one item (a list, of one that is several rows), or what is wrong with it."""
    try:
        found = _told(run, kind.given(run, [item.given]), explain)
    except RegardError as error:
        return of_reader(error)
    return found[0] if kind.together else found


def _told(run: Run, given: Given, explain: Explain | None) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = [rounded(dict(told)) for told in run.told(given)]
    if not all(map(_finite, answers)):
        raise DataError("the model's answer is no finite number; send values like those that it was trained on")
    if explain is not None:
        for row, answer in enumerate(answers):
            answer["explained"] = explain(given, row)
    return answers


def _finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_finite, value.values()))
    return all(map(_finite, value)) if isinstance(value, list) else True


def _plain(found: Explained) -> dict[str, Any]:
    """What was looked at, in the task's units."""
    units = [{"name": unit.name, "weight": rounded(float(unit.weight))} for unit in found.units]
    plain: dict[str, Any] = {"answer": found.answer, "kind": found.kind, "how": found.how, "units": units}
    if found.alignment is not None:
        plain["written"] = list(found.alignment.written)
        plain["looked"] = rounded([list(map(float, row)) for row in found.alignment.weights])
    return plain
