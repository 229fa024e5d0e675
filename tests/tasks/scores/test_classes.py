"""Accuracy and macro F1 by hand and beside scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from regard.spec.errors import DataError
from regard.tasks.scores.classes import accuracy, macro_f1, macro_f1_among, macro_f1_of
from regard.tasks.scores.interval import wilson


def classes(*values):
    return np.array(values, dtype=np.int64)


def test_accuracy_counts_right_answers():
    metric = accuracy(classes(0, 1, 1, 0), classes(0, 1, 0, 0), protocol="part:test")
    assert metric.value == 0.75
    assert metric.rows == 4
    assert metric.full_name == "accuracy|part:test|interval:wilson95"
    assert (metric.low, metric.high) == wilson(0.75, 4)


def test_accuracy_of_plain_lists_is_sklearns():
    answers, truths = [0, 1, 2, 2, 1, 0, 1], [0, 1, 1, 2, 0, 0, 1]
    assert accuracy(answers, truths, protocol="p").value == accuracy_score(truths, answers)


def test_rows_of_groups_are_not_independent():
    answers, truths = classes(*[1] * 5, *[0] * 5), classes(*[1] * 10)
    metric = accuracy(answers, truths, protocol="p", groups=["a"] * 5 + ["b"] * 5)
    assert (metric.low, metric.high) == (0.0, 1.0)
    assert "2 groups" in metric.protocol


def test_macro_f1_by_hand():
    # class 0: 2 right, 1 missed, 0 too many: 4/5; class 1: 1 right, 0 missed, 1 too many: 2/3; class 2 never: 0
    metric = macro_f1(classes(0, 0, 1, 1), classes(0, 0, 0, 1), classes=3, protocol="p")
    assert metric.value == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


def test_macro_f1_says_in_its_protocol_where_classes_have_no_rows():
    """All are of one class and answered right: the other's 0 makes it .5 whichever rows are drawn."""
    one = macro_f1(classes(1, 1, 1), classes(1, 1, 1), classes=2, protocol="p")
    assert (one.value, one.low, one.high) == (0.5, 0.5, 0.5)
    assert one.protocol.startswith("p|classes-in-rows:1 of 2|absent:0|")
    both = macro_f1(classes(1, 1, 1), classes(1, 1, 0), classes=2, protocol="p")
    assert "classes-in-rows" not in both.protocol


def test_macro_f1_is_sklearns():
    draw = np.random.default_rng(1)
    truths, answers = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    matrix = np.zeros((4, 4))
    np.add.at(matrix, (truths, answers), 1)
    expected = f1_score(truths, answers, average="macro")
    assert macro_f1(answers, truths, classes=4, protocol="p").value == pytest.approx(expected)
    assert macro_f1_of(matrix) == pytest.approx(expected)
    assert macro_f1_of(np.stack([matrix, np.diag([1, 2, 3, 4])]))[1] == 1.0


def test_macro_f1_interval_is_that_of_resampled_rows():
    draw = np.random.default_rng(2)
    truths = draw.integers(0, 3, 300)
    answers = np.where(draw.random(300) < 0.7, truths, draw.integers(0, 3, 300))
    metric = macro_f1(answers, truths, classes=3, protocol="p")
    scores = []
    for _ in range(500):
        rows = draw.integers(0, 300, 300)
        scores.append(f1_score(truths[rows], answers[rows], average="macro"))
    assert (metric.low, metric.high) == pytest.approx(tuple(np.quantile(scores, (0.025, 0.975))), abs=0.012)


def test_a_gain_in_macro_f1():
    truths = classes(0, 0, 1, 1)
    metric = macro_f1_among(2).gain(truths, classes(0, 0, 0, 0), truths, protocol="p")
    assert metric.value == pytest.approx(1 - (2 * 2 / (2 + 4)) / 2)


@pytest.mark.parametrize(("answers", "truths"), [(classes(0), classes(0, 1)), (classes(), classes())])
def test_answers_that_do_not_fit_are_refused(answers, truths):
    with pytest.raises(DataError, match="expected the same"):
        accuracy(answers, truths, protocol="p")


@pytest.mark.parametrize("odd", [-1, 3])
def test_a_class_that_is_none_is_refused(odd):
    with pytest.raises(DataError, match="classes from 0 to 2"):
        macro_f1(classes(0, odd), classes(0, 1), classes=3, protocol="p")
