"""One score as a value: its words, its JSON, old files of it."""

import json

import pytest

from regard.spec.errors import DataError
from regard.tasks.scores.metric import Metric, metric_from


def metric(value, low=0.0, high=1.0, better="higher"):
    return Metric("score", value, low, high, 10, "part:test", better)


def test_it_survives_json():
    one = metric(0.5, better="lower")
    assert metric_from(json.loads(json.dumps(one.plain()))) == one


def test_a_file_from_before_there_was_better_still_loads():
    old = {
        "full_name": "accuracy|part:test",
        "name": "accuracy",
        "value": 0.5,
        "low": 0.1,
        "high": 0.9,
        "rows": 4,
        "protocol": "part:test",
    }
    assert metric_from(old).better == "higher"
    assert metric_from(old).full_name == old["full_name"]


def test_which_value_is_better_depends_on_the_metric():
    assert metric(0.6).beats(metric(0.5))
    assert not metric(0.6, better="lower").beats(metric(0.5, better="lower"))
    assert metric(0.4, better="lower").beats(metric(0.5, better="lower"))
    assert not metric(0.5).beats(metric(0.5))


def test_intervals_are_apart_when_they_share_no_value():
    assert metric(0.5, 0.4, 0.6).apart(metric(0.7, 0.61, 0.8))
    assert metric(0.7, 0.61, 0.8).apart(metric(0.5, 0.4, 0.6))
    assert not metric(0.5, 0.4, 0.6).apart(metric(0.7, 0.6, 0.8))


def test_no_third_direction():
    with pytest.raises(DataError, match="expected 'higher' or 'lower'"):
        metric(0.5, better="nearer")
