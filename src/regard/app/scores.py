"""Scores with their intervals, as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from regard.app.screen import Screen
from regard.app.sheet import sheet

if TYPE_CHECKING:
    from regard.tasks.scores.metric import Metric
    from regard.train.result import BaselineResult, Result

_HEADER = ("", "score", "95% from", "to")
PROCESSED = "budget: of the tokens of a text the layers process {:.1%}, the mean over layers and texts"

SHARE = "budget {:g}: the layers process that share of the tokens of a text; words that are dropped get no attention"


def show_scores(screen: Screen, scores: Sequence[Metric]) -> None:
    """One line a score, and what the scores were taken on."""
    screen.lines(sheet(_HEADER, [_row(score.name, score) for score in scores]))
    _protocols(screen, scores)


def show_result(screen: Screen, result: Result) -> None:
    """A run's scores on its test part beside the baselines', each with its interval."""
    screen.title(f"On {result.scores[0].rows:,} rows held out from training")
    verdicts = []
    rows = [_row(f"{score.name}, this model", score) for score in result.scores]
    for baseline in result.baselines:
        rows += [_row(f"{score.name}, {baseline.name}", score) for score in baseline.scores]
        rows.append(_row(f"  {baseline.gain.name} over {baseline.name}", baseline.gain))
        verdicts.append(_verdict(result.scores[0], baseline))
    screen.lines(sheet(_HEADER, rows))
    screen.lines(verdicts)
    _protocols(screen, result.scores)
    if result.attention.get("processed", 1) < 1:  # runs from before there were budgets do not have it
        screen.line(PROCESSED.format(result.attention["processed"]))
    cost = result.cost
    if {"minutes", "padding"} <= cost.keys():  # nor these
        screen.line(f"{cost['minutes']:.1f} minutes; padding: {cost['padding']:.1%} of the tokens computed in training")
    if result.attention["breadth"] is None:
        return
    aim = result.attention["focus"]
    asked = "" if aim is None else f" (trained towards {aim:g})"
    screen.line(f"breadth of attention: {result.attention['breadth']:.1f} tokens a row, effective number{asked}")


def _verdict(score: Metric, baseline: BaselineResult) -> str:
    """A model beats what its interval lies apart from; less than that is told by the gain on the same rows."""
    if baseline.beaten_by(score):
        return f"beats {baseline.name}: intervals apart"
    if baseline.gain.high < 0:
        return f"is behind {baseline.name}: on the same rows the difference is below 0"
    if baseline.gain.low > 0:
        return f"is ahead of {baseline.name} on the same rows, though the intervals are not apart"
    return f"is not told apart from {baseline.name}"


def _row(name: str, score: Metric) -> tuple[str, str, str, str]:
    return name, f"{score.value:.4f}", f"{score.low:.4f}", f"{score.high:.4f}"


def _protocols(screen: Screen, scores: Sequence[Metric]) -> None:
    for score in scores:
        screen.line(f"{score.name}: {score.protocol}")
