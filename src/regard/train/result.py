"""What a run came to: its scores beside the baselines', as they stand in `metrics.json`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from regard.spec.errors import CheckpointError
from regard.tasks.scores.metric import Metric
from regard.train.folder import RunFolder, Status, missing, read_json


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


def _holds(*names: str) -> AfterValidator:
    def check(values: dict[str, Any]) -> dict[str, Any]:
        lacking = missing(values, *names)
        if lacking is not None:
            raise ValueError(f"it lacks {lacking!r}")
        return values

    return AfterValidator(check)


@dataclass(frozen=True)
class _Written:
    """What `metrics.json` holds, as far as it is read again; runs from before there were budgets tell no more of
    attention than this, and of cost may tell nothing."""

    scores: Annotated[tuple[Metric, ...], Field(min_length=1)]
    baselines: tuple[BaselineResult, ...]
    attention: Annotated[dict[str, Any], _holds("breadth", "focus")]
    training: Annotated[dict[str, Any], _holds("epochs")]
    cost: dict[str, Any]


_WRITTEN = TypeAdapter(_Written)


def read_result(run: RunFolder, status: Status = "done") -> Result:
    """What stands in a run's `metrics.json`.

    Raises:
        CheckpointError: it is missing, cut short, or lacks part of what a finished run writes there.
    """
    try:
        found = _WRITTEN.validate_python(read_json(run.metrics))
    except ValidationError as error:
        raise CheckpointError(
            f"{run.metrics} {_wrong(error)}; the weights are not touched by that: score them again with regard "
            f"evaluate {run.path} --data FILE, or delete {run.path} and train again"
        ) from None
    return Result(run.path, status, found.scores, found.baselines, found.attention, found.training, found.cost)


def lacking(values: Any) -> str | None:
    """What is wrong with what stands in a `metrics.json`, such as `lacks 'scores'`; None where nothing is."""
    try:
        _WRITTEN.validate_python(values)
    except ValidationError as error:
        return _wrong(error)
    return None


def _wrong(error: ValidationError) -> str:
    """The first thing that is wrong, in words: `lacks 'scores'`, `baselines.0.gain.low is no number`."""
    first = error.errors(include_url=False)[0]
    *parents, last = first["loc"] or ("",)
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"lacks {last!r}" + (f" in {'.'.join(str(part) for part in parents)}" if parents else "")
    if not first["loc"]:
        return "holds no JSON object"
    return f"holds no usable {place!r} ({first['msg'].removeprefix('Value error, ')})"
