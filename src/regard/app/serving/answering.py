"""A run's answers to a batch of items; what is wrong with one is that one's alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from regard.app.commands.predict import rounded
from regard.app.serving.batcher import Item
from regard.app.serving.kinds import Kind
from regard.spec.errors import RegardError
from regard.tasks.explained import Explained
from regard.tasks.task import Given
from regard.train.run import Run


@dataclass(frozen=True)
class Answering:
    """What the batcher calls, in its thread."""

    run: Run
    kind: Kind

    def __call__(self, items: Sequence[Item]) -> Sequence[Any]:
        """What is said of each item, as `regard predict` says it; an exception in its place where it cannot be."""
        if not self.kind.together:
            return [self._alone(item) for item in items]
        try:
            given = self.kind.given(self.run, [item.given for item in items])
            return self._told(given, explain=items[0].explain)
        except RegardError as error:
            return [error] if len(items) == 1 else [self._alone(item) for item in items]

    def warm(self) -> None:
        """Lets the libraries load what they load at first use."""
        if self.kind.field == "texts":
            list(self.run.told(self.run.typed(["a b"])))

    def _alone(self, item: Item) -> Any:
        try:
            given = self.kind.given(self.run, [item.given])
            found = self._told(given, explain=item.explain)
        except RegardError as error:
            return error
        return found[0] if self.kind.together else found

    def _told(self, given: Given, *, explain: bool) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = [rounded(dict(told)) for told in self.run.told(given)]
        if explain:
            for row, answer in enumerate(answers):
                answer["explained"] = _plain(self.run.explain(given, row))
        return answers


def _plain(found: Explained) -> dict[str, Any]:
    """What was looked at, in the task's units."""
    units = [{"name": unit.name, "weight": rounded(float(unit.weight))} for unit in found.units]
    plain: dict[str, Any] = {"answer": found.answer, "kind": found.kind, "how": found.how, "units": units}
    if found.alignment is not None:
        plain["written"] = list(found.alignment.written)
        plain["looked"] = rounded([list(map(float, row)) for row in found.alignment.weights])
    return plain
