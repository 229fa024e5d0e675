"""What the estimators have in common: settings from their parameters, training in memory, answers row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from torch import nn

from regard.bridges.sklearn_rows import Rows
from regard.spec.errors import SpecError
from regard.tasks.batches import in_order_of_length
from regard.tasks.classify import CLASSIFY
from regard.tasks.event import Event, Listener, Validated, unheard
from regard.tasks.given_rows import parted_rows, prepared_rows, weighed
from regard.tasks.given_tables import described_numbers
from regard.tasks.given_texts import text_setup
from regard.tasks.part import MeasuredPart
from regard.tasks.settings import Settings, changed
from regard.tasks.tabular import TABULAR
from regard.tasks.task import Judge, Prepared, Setup, Task
from regard.train.fitting import fit

_BATCH = 256  # rows that are answered together
_PATIENCE = 10  # epochs, at least
_PLACES = {  # parameter -> settings
    "dim": "core.dim",
    "layers": "core.layers",
    "heads": "core.heads",
    "dropout": "core.dropout",
    "epochs": "train.epochs",
    "batch": "train.batch",
    "rate": "train.rate",
}
_TABLE: Mapping[str, Any] = {"train.epochs": "auto"}
_TEXTS: Mapping[str, Any] = {"tokens.least": 1}


@dataclass(frozen=True, eq=False)
class Model:
    """What a fitted estimator answers with: in float64, so that an answer does not depend on the rows beside it."""

    module: nn.Module
    setup: Setup
    epochs: int
    best_epoch: int
    loss: float

    def answers(self, part: MeasuredPart) -> Iterator[tuple[NDArray[np.int64], Any, Any]]:
        """(rows, what the model gives for them, their weights (rows, tokens)), batch by batch."""
        with torch.inference_mode():
            for rows in in_order_of_length(part.lengths, _BATCH):
                found, weights = self.module(*part.batch(rows).inputs)
                yield rows, found, weights

    def outputs(self, part: MeasuredPart) -> NDArray[np.float64]:
        """(rows, outputs) float64."""
        whole: NDArray[np.float64] = np.empty((0, 0))
        for rows, found, _ in self.answers(part):
            if not len(whole):
                whole = np.empty((len(part), found.shape[1]))
            whole[rows] = found.double().numpy()
        return whole

    def weights(self, part: MeasuredPart) -> list[NDArray[np.float64]]:
        """Of each row, the share of each of its tokens in the pooled vector."""
        whole: dict[int, NDArray[np.float64]] = {}
        lengths = part.lengths
        for rows, _, weights in self.answers(part):
            whole |= {
                row: one[: lengths[row]].numpy() for row, one in zip(rows.tolist(), weights.double(), strict=True)
            }
        return [whole[row] for row in range(len(part))]


def asked_settings(base: Settings, parameters: Mapping[str, Any], seed: int) -> Settings:
    """A task's settings with an estimator's parameters put in; None leaves what the task has. `settings` says the rest.

    Raises:
        SpecError: a parameter is out of its range, or `settings` names no setting.
    """
    found = {_PLACES[name]: value for name, value in parameters.items() if name in _PLACES and value is not None}
    if parameters.get("dim") is not None:
        found["core.hidden"] = 2 * parameters["dim"]
    more = parameters["settings"] or {}
    if not isinstance(more, Mapping):
        raise SpecError(f"settings was {more!r}: expected values by dotted names, such as {{'tokens.longest': 512}}")
    refused = sorted(name for name in more if name == "task" or name.partition(".")[0] in ("data", "members"))
    if refused:
        raise SpecError(f"settings names {', '.join(refused)}, which say what files are read: the rows are given here")
    patience = None if parameters["patience"] == "auto" else parameters["patience"]
    asked = {**found, "train.patience": patience, "train.seed": seed, **more}
    return changed(base, asked, where="the estimator's parameters")


def patient(data: Prepared, parameters: Mapping[str, Any]) -> Prepared:
    """With `patience="auto"` decided: now it is known how many epochs there are."""
    epochs = data.settings.train.epochs
    if parameters["patience"] != "auto" or epochs == "auto" or data.settings.train.patience is not None:
        return data
    settings = changed(data.settings, {"train.patience": max(_PATIENCE, epochs // 5)})
    return replace(data, setup=replace(data.setup, settings=settings))


def drawn_seed(random_state: Any) -> int:
    """One seed of a random state as scikit-learn understands it: None, a number, or a `RandomState`."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def listener(verbose: Any) -> Listener:
    """Who hears of the training: with `verbose` a line for each epoch is printed."""
    return _printed if verbose else unheard


def fitted_rows(
    parameters: Mapping[str, Any],
    rows: Rows,
    truths: NDArray[Any],
    weights: NDArray[np.float32],
    told: Mapping[str, Any],
) -> Model:
    """A model trained on rows. told: the facts of what is to be told ("labels", or "level" and "spread")."""
    seed, listen = drawn_seed(parameters["random_state"]), listener(parameters["verbose"])
    classes = truths if "labels" in told else None
    counted = np.flatnonzero(weights)  # a row of weight 0 is left out, as if it had not been given
    train, held = (
        counted[side]
        for side in parted_rows(
            len(counted), parameters["validation"], seed=seed, classes=None if classes is None else classes[counted]
        )
    )
    setup = _setup(parameters, rows, train, seed, listen)
    setup = Setup(setup.settings, {**setup.facts, **told}, setup.kept)
    part = rows.part(truths, setup)
    task = _judged(TABULAR if rows.kind == "table" else CLASSIFY, TABULAR.judge)
    data = patient(prepared_rows(setup, part, (train, held), weights, listen), parameters)
    done = fit(task, data, listen=listen)
    return Model(done.model.double(), setup, done.epochs, done.best_epoch, done.loss)


def _setup(parameters: Mapping[str, Any], rows: Rows, train: Any, seed: int, listen: Listener) -> Setup:
    """Of the rows that train: constants of a table's columns, or the vocabulary of texts."""
    if rows.numbers is not None:
        settings = asked_settings(changed(TABULAR.settings(), _TABLE), parameters, seed)
        return Setup(settings, {"columns": described_numbers(rows.names, rows.numbers[train])})
    settings = asked_settings(changed(CLASSIFY.settings("transformer"), _TEXTS), parameters, seed)
    return text_setup(settings, [(rows.texts or [])[row] for row in train], listen)


def _judged(task: Task, judge: Judge) -> Task:
    """The task as it is run here: rows weigh, and the loss chooses the best epoch, which few rows tell better than a
    share of right answers."""
    return replace(task, judge=weighed(judge), chosen_by="loss")


def _printed(event: Event) -> None:
    if isinstance(event, Validated):
        best = ", the best so far" if event.best else ""
        print(f"epoch {event.epoch} of {event.epochs}: loss {event.train_loss:.4f}, validation {event.loss:.4f}{best}")
