"""Scores with their intervals, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.tasks.metrics import Metric
    from regard.train.training import Result

_HEADER = ("", "score", "95% from", "to")
PROCESSED = "budget: of the tokens of a text the layers process {:.1%}, the mean over layers and texts"


def show_scores(screen: Screen, scores: Sequence[Metric]) -> None:
    """One line a score, and what the scores were taken on."""
    screen.lines(sheet(_HEADER, [_row(score.name, score) for score in scores]))
    _protocols(screen, scores)


def show_result(screen: Screen, result: Result) -> None:
    """A run's scores on its test part beside the baselines', each with its interval."""
    screen.title(f"On {result.scores[0].rows:,} rows held out from training")
    rows = [_row(f"{score.name}, this model", score) for score in result.scores]
    for baseline in result.baselines:
        rows += [_row(f"{score.name}, {baseline.name}", score) for score in baseline.scores]
        rows.append(_row(f"  {baseline.gain.name} over {baseline.name}", baseline.gain))
    screen.lines(sheet(_HEADER, rows))
    _protocols(screen, result.scores)
    if result.attention.get("processed", 1) < 1:  # runs from before there were budgets do not have it
        screen.line(PROCESSED.format(result.attention["processed"]))
    aim = result.attention["focus"]
    asked = "" if aim is None else f" (trained towards {aim:g})"
    screen.line(f"breadth of attention: {result.attention['breadth']:.1f} tokens a text, effective number{asked}")


def _row(name: str, score: Metric) -> tuple[str, str, str, str]:
    return name, f"{score.value:.4f}", f"{score.low:.4f}", f"{score.high:.4f}"


def _protocols(screen: Screen, scores: Sequence[Metric]) -> None:
    for score in scores:
        screen.line(f"{score.name}: {score.protocol}")
