"""What every task that answers with one of several classes has in common, whatever its rows are.

Its model gives (logits (batch, classes), weights (batch, len) or None) for `model(*batch.inputs)`; its batches have
`targets` (batch,), class indices; its facts have "labels".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from regard.tasks.scores.classes import accuracy, macro_f1_among
from regard.tasks.scores.measure import Measure
from regard.tasks.task import Outcome, Setup


def judge_classes(model: nn.Module, batch: Any, setup: Setup) -> Outcome:
    """Cross-entropy, one loss a row; smoothed labels in training alone."""
    logits, weights = model(*batch.inputs)
    smoothing = setup.settings.train.label_smoothing if model.training else 0.0
    losses = F.cross_entropy(logits.float(), batch.targets, reduction="none", label_smoothing=smoothing)
    answers = logits.argmax(-1)
    breadths = None if weights is None else torch.special.entr(weights.detach()).sum(-1).exp()
    return Outcome(losses, len(batch), hits=(answers == batch.targets).sum(), breadths=breadths, answers=answers)


def measures_of_classes(setup: Setup) -> tuple[Measure, ...]:
    """Accuracy, then macro F1."""
    return accuracy, macro_f1_among(max(len(setup.facts.get("labels", ())), 1))


def tell_classes(model: nn.Module, batch: Any, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each row: the label, its probability, and those of all labels, most probable first."""
    logits, _ = model(*batch.inputs)
    return [ranked(setup.facts["labels"], row) for row in logits.float().softmax(-1).tolist()]


def ranked(labels: Sequence[str], probabilities: Sequence[float]) -> dict[str, Any]:
    """One row's answer in plain values."""
    order = sorted(zip(labels, probabilities, strict=True), key=lambda pair: -pair[1])
    return {"label": order[0][0], "probability": order[0][1], "probabilities": dict(order)}
