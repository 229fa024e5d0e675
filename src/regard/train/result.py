"""What a run came to: its scores beside the baselines', as they stand in `metrics.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regard.tasks.scores.metric import Metric, metric_from
from regard.train.folder import RunFolder, Status, read_json


@dataclass(frozen=True)
class BaselineResult:
    """A baseline's scores on the test part, and how much better the model's first score is (positive is better)."""

    name: str
    scores: tuple[Metric, ...]
    gain: Metric

    def beaten_by(self, score: Metric) -> bool:
        """Whether the model's first score is better and the two intervals have no value in common."""
        return score.beats(self.scores[0]) and score.apart(self.scores[0])


@dataclass(frozen=True)
class Result:
    """What a run came to. `status`: "new" (trained now), "begun" (gone on with), "done" (it was done already).

    attention: on the test part: breadth (None where the task tells none), share of tokens processed; the focus it was
    trained towards. training: epochs, steps, best_epoch, non_finite_losses, ...; cost: seconds, tokens, share of
    padding, minutes by the clock, ... of all its sittings.
    """

    folder: Path
    status: Status
    scores: tuple[Metric, ...]
    baselines: tuple[BaselineResult, ...]
    attention: dict[str, Any]
    training: dict[str, Any]
    cost: dict[str, Any]


def read_result(run: RunFolder, status: Status = "done") -> Result:
    """What stands in a run's `metrics.json`.

    Raises:
        CheckpointError: it is missing or cut short.
    """
    values = read_json(run.metrics)
    return Result(
        folder=run.path,
        status=status,
        scores=tuple(metric_from(score) for score in values["scores"]),
        baselines=tuple(_baseline(one) for one in values["baselines"]),
        attention=values["attention"],
        training=values["training"],
        cost=values["cost"],
    )


def _baseline(values: Mapping[str, Any]) -> BaselineResult:
    return BaselineResult(values["name"], tuple(map(metric_from, values["scores"])), metric_from(values["gain"]))
