"""A finished run, loaded to answer: its task, its setup and its weights are all that is needed, never the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from regard.lens.question import Question
from regard.spec.errors import AGAIN, CheckpointError, RunError
from regard.tasks.batches import in_order_of_length
from regard.tasks.catalogue import TASKS
from regard.tasks.explained import Explained
from regard.tasks.scores.metric import Metric
from regard.tasks.settings import Settings, changed, settings_from
from regard.tasks.task import Asked, Given, Setup, Task, task_named
from regard.tasks.text_answers import Prediction, TokenWeight, predictions
from regard.tasks.text_data import vocabulary_of
from regard.tasks.vocabulary import Vocabulary
from regard.train.checkpoint import read_tensors
from regard.train.evaluation import answered, in_order
from regard.train.folder import RunFolder

__all__ = ["Evaluation", "Prediction", "Run", "TokenWeight", "load_run"]

_BATCH = 64


@dataclass(frozen=True)
class Evaluation:
    """Scores on a file of rows. `seen`: how many of the rows the run was trained or validated on; `processed`: the
    share of the tokens that are read which the model's layers process (1 without a budget)."""

    scores: tuple[Metric, ...]
    rows: int
    refused: int
    seen: int
    processed: float


@dataclass(frozen=True)
class Run:
    """A run's model with all it needs to answer."""

    folder: Path
    task: Task
    setup: Setup
    model: nn.Module

    @property
    def settings(self) -> Settings:
        return self.setup.settings

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it answers with; none for a task without."""
        return tuple(self.setup.facts.get("labels", ()))

    @property
    def vocabulary(self) -> Vocabulary:
        """Of a task that reads text.

        Raises:
            RunError: the run keeps none.
        """
        return vocabulary_of(self.setup)

    def predict(self, texts: Sequence[str]) -> tuple[Prediction, ...]:
        """A text classifier's answers to texts, in their order, with the weight of each token.

        Raises:
            DataError: a text is empty; the message names its place.
            RunError: the run is of another kind of task; `told` answers for all of them.
        """
        if set(self.task.roles) != {"text", "label"}:
            raise RunError(f"a run of {self.task.name} does not answer typed texts with labels; give it rows of a file")
        return predictions(self.model, self.setup, texts)

    def given(self, asked: Asked) -> Given:
        """Rows of a file, encoded.

        Raises:
            DataError: the file cannot be read, or a row cannot be used.
            RunError: the task reads no files for trained runs.
        """
        if self.task.read is None:
            raise RunError(f"a run of {self.task.name} cannot be given other data than it was trained on")
        return self.task.read(asked, self.setup)

    def typed(self, texts: Sequence[str]) -> Given:
        """Typed texts, encoded.

        Raises:
            DataError: a text is empty; the message names its place.
            RunError: the task reads no typed text.
        """
        if self.task.typed is None:
            raise RunError(f"a run of {self.task.name} reads no typed text; give it a file with --data")
        return self.task.typed(texts, self.setup)

    def told(self, given: Given) -> Iterator[Mapping[str, Any]]:
        """What is said of each row, in their order: plain values."""
        tell = self.task.tell or self._plain
        with torch.inference_mode():
            for start in range(0, len(given.part), _BATCH):
                rows = np.arange(start, min(start + _BATCH, len(given.part)))
                yield from tell(self.model, given.part.batch(rows), self.setup)

    def explain(self, given: Given, row: int) -> Explained:
        """What the model looked at in one of the rows (from 0).

        Raises:
            RunError: the task explains nothing.
        """
        if self.task.explain is None:
            raise RunError(f"a run of {self.task.name} does not explain its answers")
        with torch.inference_mode():
            return self.task.explain(self.model, given.part.batch(np.array([row])), self.setup)

    def question(self, inputs: str | Given, target: Any = None, **given: Any) -> Question:
        """Why this answer to one input? For `regard.explain`; see `regard.train.questions.question_of`."""
        from regard.train.questions import question_of

        found = question_of(self, inputs, target, **given)
        row = given.get("row", 0)
        known = None if isinstance(inputs, str) else self.trained_on(inputs, row)
        if known is False and not isinstance(inputs, str) and inputs.within:
            known = not self._seen.isdisjoint(inputs.within[row].tolist())
        return replace(found, trained_on=known)

    def trained_on(self, given: Given, row: int) -> bool | None:
        """Whether the run was trained or validated on one of these rows (from 0); None where that is not known: rows
        that stay on disk and typed texts are not marked, and the run's marks may be lost."""
        if not len(given.marks):
            return None
        try:
            return int(given.marks[row]) in self._seen if self._seen else None
        except CheckpointError:
            return None

    @cached_property
    def _seen(self) -> frozenset[int]:
        """The marks of the rows that it was trained and validated on. Raises `CheckpointError`: they cannot be read."""
        return frozenset(read_tensors(RunFolder(self.folder).seen, remedy=AGAIN).tensors["marks"].tolist())

    def evaluate(
        self,
        path: str | Path,
        *,
        columns: Mapping[str, str] | None = None,
        skip_refused: bool = False,
        **named: str | None,
    ) -> Evaluation:
        """Scores on a file of rows; `columns`, or `text="review"`, name those that are not called as in training.

        Raises:
            DataError: the file cannot be read, a row cannot be used, or a label is unknown to the run.
            RunError: the task reads no files for trained runs.
        """
        given_columns = dict(columns or {}) | {role: name for role, name in named.items() if name is not None}
        given = self.given(Asked(Path(path), given_columns, skip_refused=skip_refused))
        seen = sum(mark in self._seen for mark in given.marks.tolist())
        known = seen if self._seen else "unknown"  # rows that stay on disk are not marked
        count = len(given.part)
        added = "" if self.task.protocol is None else self.task.protocol(self.settings)
        protocol = f"file:{given.name}|rows:{count}|seen-in-training:{known}{added}"
        answers = self._answers(given)
        scores = tuple(
            measure(answers, given.part.truths, protocol=protocol) for measure in self.task.measures(self.setup)
        )
        spent = 1.0 if self.task.spent is None else self.task.spent(self.setup, given.part.lengths)
        return Evaluation(scores, count, given.refused, seen, spent)

    def _answers(self, given: Given) -> Any:
        found: dict[int, Any] = {}
        with torch.inference_mode():
            for rows in in_order_of_length(given.part.lengths, _BATCH):
                batch = given.part.batch(rows)
                outcome = self.task.judge(self.model, batch, self.setup)
                found |= zip(rows.tolist(), answered(self.task, self.model, batch, self.setup, outcome), strict=True)
        return in_order(self.task, found)

    def _plain(self, model: nn.Module, batch: Any, setup: Setup) -> Sequence[Mapping[str, Any]]:
        found = answered(self.task, model, batch, setup, self.task.judge(model, batch, setup))
        return [{"answer": one.tolist() if isinstance(one, np.generic | np.ndarray) else one} for one in found]


def load_run(folder: str | Path, *, budget: float | None = None, tasks: Sequence[Task] | None = None) -> Run:
    """Loads a finished run, on the CPU. Reads JSON and safetensors only: nothing in a run's folder is ever executed.

    `budget`: another share of a text's tokens for the layers to process than the one it was trained with; 1 for all.
    `tasks`: those that a run may be of; by default regard's own.

    Raises:
        SpecError: the budget is no share above 0, or the model cannot keep one.
        CheckpointError: a file is missing, cut short, altered, or of another model.
    """
    run = RunFolder(Path(folder))
    config = run.told("settings")
    if not run.metrics.is_file():
        raise CheckpointError(f"{run.path} holds a run that is not done; type the command that began it to go on")
    settings = settings_from(config["settings"], where=str(run.config))
    task = task_named(settings.task, TASKS if tasks is None else tasks)
    if budget is not None:
        settings = changed(settings, {"core.budget": budget}, where="what was typed")
        task.check(settings)
    setup = Setup(settings, _facts(run, config), run.kept_of(config))
    model = task.build(setup)
    try:
        model.load_state_dict(read_tensors(run.model, remedy=AGAIN).tensors)
    except RuntimeError as error:
        if isinstance(error, CheckpointError):
            raise
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{run.model} does not fit {run.config} ({reason}); {AGAIN}") from None
    return Run(run.path, task, setup, model.eval())


def _facts(run: RunFolder, config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run's facts; older text classifiers wrote them at the top. Raises `CheckpointError` where there are none."""
    if "facts" in config:
        found: Mapping[str, Any] = config["facts"]
        return found
    older = run.told("labels", "vocabulary") if "labels" in config else run.told("facts")
    return {"labels": older["labels"], "vocabulary": older["vocabulary"]}
