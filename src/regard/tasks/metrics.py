"""Scores of a classifier, under the names that the training loop knows; all scores live in `regard.tasks.scores`."""

from __future__ import annotations

from regard.tasks.scores.classes import Classes, accuracy, macro_f1, macro_f1_of
from regard.tasks.scores.interval import wilson
from regard.tasks.scores.metric import Better, Metric, metric_from

__all__ = ["Better", "Classes", "Metric", "accuracy", "gain", "macro_f1", "macro_f1_of", "metric_from", "wilson"]


def gain(answers: Classes, others: Classes, targets: Classes, *, protocol: str) -> Metric:
    """Accuracy minus that of other answers to the same rows, with its paired bootstrap interval."""
    return accuracy.gain(answers, others, targets, protocol=protocol)
