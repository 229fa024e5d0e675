"""A finished run, loaded to answer: labels, probabilities, and which tokens had how much weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from regard.spec.errors import CheckpointError, DataError
from regard.tasks.batches import TextPart, encoded, in_order_of_length
from regard.tasks.classify import TASKS
from regard.tasks.metrics import Metric
from regard.tasks.settings import Settings, changed, settings_from
from regard.tasks.split import fingerprint
from regard.tasks.table import Table, usable
from regard.tasks.table_reading import read_table
from regard.tasks.task import Task, task_named
from regard.tasks.text_classifier import budget_words, processed_share
from regard.tasks.vocabulary import UNKNOWN_ID, Pieces, Vocabulary, load_vocabulary
from regard.train.checkpoint import read_tensors
from regard.train.folder import RunFolder, read_json

_BATCH = 64
_REMEDY = "train the run again in a new folder"


@dataclass(frozen=True, slots=True)
class TokenWeight:
    """One token's place [start, end) in the text, in characters, and its share of the pooled vector.

    known: False for a token that the vocabulary does not have.
    """

    start: int
    end: int
    weight: float
    known: bool


@dataclass(frozen=True)
class Prediction:
    """The answer to one text. `probabilities` has every label, most probable first; `tokens` those that were read, in
    order, their weights 1 in all; `unread` counts the tokens beyond what the model reads."""

    text: str
    label: str
    probability: float
    probabilities: tuple[tuple[str, float], ...]
    tokens: tuple[TokenWeight, ...]
    unread: int


@dataclass(frozen=True)
class Evaluation:
    """Scores on a file of labelled rows. `seen`: how many of the rows the run was trained or validated on; `processed`:
    the share of the tokens that are read which the model's layers process (1 without a budget)."""

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
    settings: Settings
    labels: tuple[str, ...]
    vocabulary: Vocabulary
    model: nn.Module

    def predict(self, texts: Sequence[str]) -> tuple[Prediction, ...]:
        """Answers to texts, in their order.

        Raises:
            DataError: a text is empty; the message names its place.
        """
        for place, text in enumerate(texts):
            if not text.strip():
                raise DataError(f"text {place + 1} of {len(texts)} is empty; give some words")
        if not texts:
            return ()
        pieces = self.vocabulary.pieces(texts)
        part = encoded([piece.ids for piece in pieces], [0] * len(pieces))
        found: dict[int, Prediction] = {}
        for rows in in_order_of_length(part.lengths, _BATCH):
            probabilities, weights = self._run(part, rows)
            for place, row in enumerate(rows):
                found[int(row)] = self._prediction(texts[row], pieces[row], probabilities[place], weights[place])
        return tuple(found[place] for place in range(len(texts)))

    def evaluate(
        self, path: str | Path, *, text: str | None = None, label: str | None = None, skip_refused: bool = False
    ) -> Evaluation:
        """Scores on a file of labelled rows; the columns are by default those the run was trained on.

        Raises:
            DataError: the file cannot be read, a row cannot be used, or a label is unknown to the run.
        """
        data = self.settings.data
        table = read_table(path, text=text or data.text, label=label or data.label)
        return self._evaluate(table, skip_refused=skip_refused)

    def _evaluate(self, table: Table, *, skip_refused: bool) -> Evaluation:
        rows = usable(table, skip_refused=skip_refused)
        unknown = sorted({row.label for row in rows} - set(self.labels))
        if unknown:
            raise DataError(
                f"{table.name} has labels unknown to this run: {', '.join(map(repr, unknown))}; "
                f"those it knows: {', '.join(map(repr, self.labels))}"
            )
        index = {name: place for place, name in enumerate(self.labels)}
        targets = np.array([index[row.label] for row in rows], dtype=np.int64)
        part = encoded(self.vocabulary.ids([row.text for row in rows]), targets.tolist())
        classes = np.empty(len(rows), dtype=np.int64)
        for places in in_order_of_length(part.lengths, _BATCH):
            classes[places] = self._run(part, places)[0].argmax(-1)
        marks = set(read_tensors(RunFolder(self.folder).seen, remedy=_REMEDY).tensors["marks"].tolist())
        seen = sum(fingerprint(row.text) in marks for row in rows)
        protocol = f"file:{table.name}|rows:{len(rows)}|seen-in-training:{seen}{budget_words(self.settings.core)}"
        scores = self.task.measure(classes, targets, len(self.labels), protocol)
        processed = processed_share(self.settings.core, torch.from_numpy(part.lengths))
        return Evaluation(scores, len(rows), len(table.refused), seen, processed)

    def _run(self, part: TextPart, rows: Any) -> tuple[Any, Any]:
        """(probabilities (batch, classes), weights (batch, len)), as NumPy arrays."""
        batch = part.batch(rows)
        with torch.inference_mode():
            logits, weights = self.model(batch.ids, batch.lengths)
        return logits.softmax(-1).numpy(), weights.numpy()

    def _prediction(self, text: str, pieces: Pieces, probabilities: Any, weights: Any) -> Prediction:
        ranked = sorted(zip(self.labels, map(float, probabilities), strict=True), key=lambda pair: -pair[1])
        tokens = tuple(
            TokenWeight(start, end, float(weight), token != UNKNOWN_ID)
            for token, (start, end), weight in zip(pieces.ids, pieces.spans, weights, strict=False)
        )
        return Prediction(text, ranked[0][0], ranked[0][1], tuple(ranked), tokens, pieces.unread)


def load_run(folder: str | Path, *, budget: float | None = None) -> Run:
    """Loads a finished run, on the CPU. Reads JSON and safetensors only: nothing in a run's folder is ever executed.

    `budget`: another share of a text's tokens for the layers to process than the one it was trained with; 1 for all.

    Raises:
        SpecError: the budget is no share above 0, or the model cannot keep one.
        CheckpointError: a file is missing, cut short, altered, or of another model.
    """
    run = RunFolder(Path(folder))
    config = read_json(run.config)
    if not run.metrics.is_file():
        raise CheckpointError(f"{run.path} holds a run that is not done; type the command that began it to go on")
    settings = settings_from(config["settings"], where=str(run.config))
    if budget is not None:
        settings = changed(settings, {"core.budget": budget}, where="what was typed")
    task = task_named(settings.task, TASKS)
    vocabulary = load_vocabulary(run.tokenizer, settings.tokens)
    labels = tuple(config["labels"])
    model = task.build(settings, len(vocabulary), len(labels))
    try:
        model.load_state_dict(read_tensors(run.model, remedy=_REMEDY).tensors)
    except RuntimeError as error:
        if isinstance(error, CheckpointError):
            raise
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{run.model} does not fit {run.config} ({reason}); {_REMEDY}") from None
    return Run(run.path, task, settings, labels, vocabulary, model.eval())
