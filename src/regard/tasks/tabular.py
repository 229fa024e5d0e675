"""Tables: a class or a number, told from columns of numbers and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from regard.tasks.baselines.labels import most_frequent
from regard.tasks.baselines.plain_tables import logistic_on_table, ridge
from regard.tasks.classes import judge_classes, measures_of_classes, ranked, tell_classes
from regard.tasks.classifier import Classifier
from regard.tasks.explained import Explained, Weighed
from regard.tasks.memory_part import MemoryPart, TensorBatch
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.numbers import explained_share, mean_absolute_error, root_mean_square_error
from regard.tasks.sections import CoreSettings, DataSettings, TableSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.tabular_data import (
    digest_table,
    feature_front_end,
    in_order,
    plain_features,
    prepare_table,
    read_more_things,
)
from regard.tasks.task import Outcome, Prepared, Setup, Task


def _build(setup: Setup) -> Classifier:
    return Classifier(feature_front_end(setup), setup.settings.core, classes=len(setup.facts.get("labels", (0,))))


def _judge(model: nn.Module, batch: TensorBatch, setup: Setup) -> Outcome:
    """Cross-entropy of a class; of a number the square of the error over the training part's spread."""
    if "labels" in setup.facts:
        return judge_classes(model, batch, setup)
    found, weights = model(*batch.inputs)
    truths = (batch.targets - setup.facts["level"]) / setup.facts["spread"]
    losses = F.mse_loss(found[:, 0].float(), truths.float(), reduction="none")
    breadths = torch.special.entr(weights.detach()).sum(-1).exp()
    return Outcome(losses, len(batch), breadths=breadths, answers=_in_units(found[:, 0], setup))


def _measures(setup: Setup) -> tuple[Measure, ...]:
    if setup.settings.section(TableSettings).answer == "number":
        return mean_absolute_error, root_mean_square_error, explained_share
    return measures_of_classes(setup)


def _baselines(data: Prepared) -> Mapping[str, Any]:
    assert isinstance(data.train, MemoryPart)
    assert isinstance(data.test, MemoryPart)
    known, asked = (plain_features(part, data.setup) for part in (data.train, data.test))
    if "labels" not in data.setup.facts:
        level = float(np.mean(data.train.truths))
        return {
            "always the mean": np.full(len(asked), level),
            "ridge regression": ridge(known, data.train.truths, asked),
        }
    usual = most_frequent([row.label for row in data.rows.train])
    return {
        f"always {usual!r}": np.full(len(asked), data.setup.facts["labels"].index(usual)),
        "logistic regression": logistic_on_table(known, data.train.truths, asked),
    }


def _tell(model: nn.Module, batch: TensorBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    if "labels" in setup.facts:
        return tell_classes(model, batch, setup)
    found, _ = model(*batch.inputs)
    return [{"target": one} for one in _in_units(found[:, 0], setup).tolist()]


def _explain(model: nn.Module, batch: TensorBatch, setup: Setup) -> Explained:
    """Which features the pooling drew on, each with what it was."""
    found, weights = model(*batch.inputs)
    numbers, categories, present = (one[0].tolist() for one in batch.inputs)
    values: list[str] = [f"{one:g}" for one in numbers]
    known = [one for _, one in in_order(setup)]
    values += [one["categories"][at] for one, at in zip(known[len(numbers) :], categories, strict=True)]
    units = tuple(
        Weighed(f"{one['name']} = {value}" if there else f"{one['name']} is missing", share)
        for one, value, there, share in zip(known, values, present, weights[0].tolist(), strict=True)
    )
    if "labels" in setup.facts:
        best = ranked(setup.facts["labels"], found[0].float().softmax(-1).tolist())
        told = f"{best['label']} ({best['probability']:.3f})"
    else:
        told = f"{_in_units(found[0, 0], setup).item():.4g}"
    return Explained(told, units, "feature", "the pooling's")


def _in_units(standard: torch.Tensor, setup: Setup) -> torch.Tensor:
    found: torch.Tensor = standard.double() * setup.facts["spread"] + setup.facts["level"]
    return found


_TUMOURS = Settings(
    task="tabular",
    data=DataSettings(source="breast-cancer", test_rows=0.3, validation_rows=0.15),
    table=TableSettings(),
    core=CoreSettings(kind="transformer", dim=32, hidden=64, layers=1, heads=4, dropout=0.1, block_dropout=0.1),
    train=TrainSettings(epochs=120, batch=32, rate=1e-3, weight_decay=0.05),
)
_DIABETES = changed(_TUMOURS, {"data.source": "diabetes", "core.layers": 2, "train.epochs": 60})

TABULAR = Task(
    name="tabular",
    about="a class or a number from a table: columns of numbers and categories, cells that may be empty",
    example="regard train tabular --data TABLE.csv --column label=NAME",
    beside="the most frequent class or the mean; logistic or ridge regression",
    takes="less than a minute on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet: a column label (a class) or target (a number), all others are features",
    presets={"tumours": _TUMOURS, "diabetes": _DIABETES},
    digest=digest_table,
    prepare=prepare_table,
    build=_build,
    judge=_judge,
    measures=_measures,
    baselines=_baselines,
    unused=("core.budget", "core.token_dropout", "train.tokens"),
    roles=("label", "target"),
    read=read_more_things,
    tell=_tell,
    explain=_explain,
    heads=("head",),
)
