"""What many inputs say together: means with intervals, and differences from random order, input by input."""

from __future__ import annotations

from collections.abc import Sequence

from regard.lens.faithfulness.interval import Mean, mean
from regard.lens.faithfulness.measure import Measured
from regard.lens.faithfulness.metric import Metric
from regard.lens.faithfulness.orders import RANDOM


def average(measured: Sequence[Measured], name: str, metric: Metric) -> Mean:
    """A metric of one explanation (or baseline) over inputs."""
    return mean([one.values[name][metric.name] for one in measured])


def ahead(measured: Sequence[Measured], name: str, metric: Metric, *, of: str = RANDOM) -> Mean:
    """By how much an explanation is more faithful than another order of the same inputs: above 0 is better, whichever
    way the metric counts. Paired, input by input."""
    return mean(_gains(measured, name, metric, of))


def won(measured: Sequence[Measured], name: str, metric: Metric, *, of: str = RANDOM) -> float:
    """The share of the inputs on which it is ahead; equal ones count half."""
    gains = _gains(measured, name, metric, of)
    return sum(1.0 if gain > 0 else 0.5 if gain == 0 else 0.0 for gain in gains) / len(gains)


def _gains(measured: Sequence[Measured], name: str, metric: Metric, of: str) -> list[float]:
    sign = 1.0 if metric.better == "higher" else -1.0
    return [sign * (one.values[name][metric.name] - one.values[of][metric.name]) for one in measured]
