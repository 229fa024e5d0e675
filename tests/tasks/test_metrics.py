"""Scores by hand: two rows wrong of ten, and so on."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from regard.spec.errors import DataError
from regard.tasks.metrics import accuracy, gain, macro_f1, macro_f1_of, metric_from, wilson


def classes(*values):
    return np.array(values, dtype=np.int64)


def test_accuracy_counts_right_answers():
    metric = accuracy(classes(0, 1, 1, 0), classes(0, 1, 0, 0), protocol="part:test")
    assert metric.value == 0.75
    assert metric.rows == 4
    assert metric.full_name == "accuracy|part:test|interval:wilson95"


@pytest.mark.parametrize(
    ("share", "rows", "low", "high"),
    # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3
    [
        (81 / 263, 263, 0.2553, 0.3662),
        (15 / 148, 148, 0.0624, 0.1605),
        (0.0, 20, 0.0, 0.1611),
        (1 / 29, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_the_published_intervals(share, rows, low, high):
    found = wilson(share, rows)
    assert found == pytest.approx((low, high), abs=5e-5)


def test_wilson_covers_the_truth_in_95_of_100_draws():
    draw = np.random.default_rng(0)
    truth, rows = 0.88, 200
    hits = [low <= truth <= high for low, high in (wilson(k / rows, rows) for k in draw.binomial(rows, truth, 4000))]
    assert 0.935 < np.mean(hits) < 0.965


def test_macro_f1_by_hand():
    # class 0: 2 right, 1 missed, 0 too many: 4/5; class 1: 1 right, 0 missed, 1 too many: 2/3; class 2 never: 0
    metric = macro_f1(classes(0, 0, 1, 1), classes(0, 0, 0, 1), classes=3, protocol="p")
    assert metric.value == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)


def test_macro_f1_of_matrices_is_sklearns():
    draw = np.random.default_rng(1)
    targets, answers = draw.integers(0, 4, 200), draw.integers(0, 4, 200)
    matrix = np.zeros((4, 4))
    np.add.at(matrix, (targets, answers), 1)
    expected = f1_score(targets, answers, average="macro")
    assert macro_f1_of(matrix) == pytest.approx(expected)
    assert macro_f1_of(np.stack([matrix, np.diag([1, 2, 3, 4])]))[1] == 1.0


def test_macro_f1_interval_is_that_of_resampled_rows():
    draw = np.random.default_rng(2)
    targets = draw.integers(0, 3, 300)
    answers = np.where(draw.random(300) < 0.7, targets, draw.integers(0, 3, 300))
    metric = macro_f1(answers, targets, classes=3, protocol="p")
    scores = []
    for _ in range(500):
        rows = draw.integers(0, 300, 300)
        scores.append(f1_score(targets[rows], answers[rows], average="macro"))
    assert (metric.low, metric.high) == pytest.approx(tuple(np.quantile(scores, (0.025, 0.975))), abs=0.012)


def test_gain_is_of_the_same_rows():
    targets = classes(1, 1, 1, 1, 0, 0, 0, 0)
    better, worse = classes(1, 1, 1, 1, 0, 0, 0, 1), classes(1, 1, 0, 0, 0, 0, 1, 1)
    metric = gain(better, worse, targets, protocol="p")
    # three rows of eight gained: the differences are 1 (3 times) and 0 (5 times), variance 3/8 * 5/8
    assert metric.value == 3 / 8
    half = 1.959964 * np.sqrt(3 / 8 * 5 / 8 / 8)
    assert (metric.low, metric.high) == pytest.approx((3 / 8 - half, 3 / 8 + half))
    assert gain(worse, better, targets, protocol="p").value == -3 / 8


def test_a_metric_survives_json():
    metric = accuracy(classes(0, 1), classes(0, 0), protocol="p")
    assert metric_from(metric.plain()) == metric


@pytest.mark.parametrize(("answers", "targets"), [(classes(0), classes(0, 1)), (classes(), classes())])
def test_answers_that_do_not_fit_are_refused(answers, targets):
    with pytest.raises(DataError, match="expected the same"):
        accuracy(answers, targets, protocol="p")
