"""The names that the training loop knows are those of the scores."""

import numpy as np

from regard.tasks import metrics
from regard.tasks.scores import classes, interval, metric


def test_they_are_the_same_things():
    assert metrics.accuracy is classes.accuracy
    assert metrics.macro_f1 is classes.macro_f1
    assert metrics.Metric is metric.Metric
    assert metrics.metric_from is metric.metric_from
    assert metrics.wilson is interval.wilson


def test_gain_is_of_the_same_rows():
    targets = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    better, worse = np.array([1, 1, 1, 1, 0, 0, 0, 1]), np.array([1, 1, 0, 0, 0, 0, 1, 1])
    found = metrics.gain(better, worse, targets, protocol="p")
    # three rows of eight gained: a share of 3/8 whose draws are binomial; 1/8 and 6/8 are the binomial's quantiles
    assert (found.value, found.low, found.high) == (3 / 8, 1 / 8, 6 / 8)
    assert found.name == "accuracy gain"
    assert metrics.gain(worse, better, targets, protocol="p").value == -3 / 8
