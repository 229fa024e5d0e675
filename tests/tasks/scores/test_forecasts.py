"""Scores of forecasts by hand, beside scikit-learn's pinball loss and properscoring's CRPS of an ensemble."""

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import mean_pinball_loss
from tests.optional_packages import package

from regard.spec.errors import DataError, SpecError
from regard.tasks.scores.forecasts import Future, coverage_gap, covered, crps, mase, pinball, seasonal_scale


def futures(values, scale=1.0):
    return [Future(np.asarray(row, dtype=float), scale) for row in values]


def drawn(rows=7, horizon=5, levels=9):
    chance = np.random.default_rng(0)
    return np.sort(chance.normal(size=(rows, horizon, levels)), axis=-1), chance.normal(size=(rows, horizon))


def test_the_scale_is_what_a_season_ago_would_have_erred():
    # seasons of two: |3-1|, |5-2|, |4-3|, |5-5| -> 2, 3, 1, 0
    assert seasonal_scale([1, 2, 3, 5, 4, 5], 2) == 6 / 4
    assert seasonal_scale([1, 2, 4], 1) == 3 / 2


def test_mase_by_hand():
    truths = [Future(np.array([10.0, 12.0]), 2.0), Future(np.array([1.0, 1.0]), 0.5)]
    metric = mase(24)([[11.0, 12.0], [1.0, 3.0]], truths, protocol="p")
    assert metric.value == pytest.approx(((1 + 0) / 2 / 2.0 + (0 + 2) / 2 / 0.5) / 2)
    assert metric.better == "lower"
    assert "|season:24|" in metric.protocol


def test_the_seasonal_naive_forecast_of_the_history_itself_scores_1():
    history = np.random.default_rng(1).normal(size=200).cumsum()
    season = 7
    rows = [history[start : start + season] for start in range(0, 189, season)]
    scale = seasonal_scale(history[: 28 * season], season)
    metric = mase(season)(rows[:-1], futures(rows[1:], scale), protocol="p")
    assert metric.value == pytest.approx(np.mean([np.abs(b - a).mean() for a, b in pairwise(rows)]) / scale)
    assert metric.value == pytest.approx(1.0, rel=0.05)


def test_pinball_is_sklearns():
    answers, truths = drawn(levels=3)
    levels = (0.1, 0.5, 0.8)
    each = [mean_pinball_loss(truths.ravel(), answers[..., i].ravel(), alpha=level) for i, level in enumerate(levels)]
    metric = pinball(levels)(answers, futures(truths), protocol="p")
    assert metric.value == pytest.approx(np.mean(each))
    assert "levels:0.1,0.5,0.8|unit:own" in metric.protocol


def test_errors_are_divided_by_the_rows_scale_and_it_is_said():
    answers, truths = drawn()
    levels = np.arange(0.1, 0.95, 0.1).round(1).tolist()
    for measure in (pinball(levels), crps(levels)):
        own, scaled = (measure(answers, futures(truths, scale), protocol="p") for scale in (1.0, 4.0))
        assert own.value == pytest.approx(4 * scaled.value)
        assert "unit:scaled" in scaled.protocol


def test_crps_of_one_sure_value_is_its_distance():
    assert crps([0.5])([[[3.0]]], futures([[5.0]]), protocol="p").value == 2.0


def test_crps_of_evenly_cut_levels_is_that_of_the_ensemble():
    ensemble = package("properscoring", "properscoring")
    answers, truths = drawn(levels=10)
    levels = ((np.arange(10) + 0.5) / 10).tolist()
    expected = ensemble.crps_ensemble(truths, answers).mean()
    assert crps(levels)(answers, futures(truths), protocol="p").value == pytest.approx(expected)


def test_crps_of_an_ensemble_by_its_definition():
    # E|x - y| - E|x - x'| / 2 (Gneiting & Raftery 2007)
    answers, truths = drawn(levels=4)
    first = np.abs(answers - truths[..., None]).mean()
    second = np.abs(answers[..., None] - answers[..., None, :]).mean()
    levels = (0.125, 0.375, 0.625, 0.875)
    assert crps(levels)(answers, futures(truths), protocol="p").value == pytest.approx(first - second / 2)


def test_crps_of_many_quantiles_nears_the_normal_distributions():
    from scipy.stats import norm

    levels = np.linspace(0.005, 0.995, 100)
    y = 0.7
    truth = y * (2 * norm.cdf(y) - 1) + 2 * norm.pdf(y) - 1 / np.sqrt(np.pi)
    answers = norm.ppf(levels)[None, None, :]
    assert crps(levels.tolist())(answers, futures([[y]]), protocol="p").value == pytest.approx(truth, abs=1e-3)


def test_coverage():
    levels = (0.1, 0.5, 0.9)
    answers = np.tile([0.0, 5.0, 10.0], (1, 5, 1))
    truths = futures([[-1.0, 0.0, 3.0, 10.0, 11.0]])
    assert covered(answers, truths, levels) == pytest.approx([2 / 5, 3 / 5, 4 / 5])
    metric = coverage_gap(levels, low=0.1, high=0.9)(answers, truths, protocol="p")
    assert metric.value == pytest.approx(0.8 - 3 / 5)
    assert metric.name == "coverage gap of 80%"
    assert metric.better == "lower"


def test_a_calibrated_forecast_covers_what_it_says():
    chance = np.random.default_rng(2)
    levels = (0.05, 0.95)
    answers = np.tile(np.array([-1.6449, 1.6449]), (400, 3, 1))
    metric = coverage_gap(levels, low=0.05, high=0.95)(answers, futures(chance.normal(size=(400, 3))), protocol="p")
    assert metric.value < 0.02


@pytest.mark.parametrize(
    ("history", "why"),
    [([1.0, 2.0], "steps > season"), ([1.0, np.nan, 2.0], "step 1"), ([1.0, 2.0, 1.0, 2.0], "repeats itself")],
)
def test_histories_that_give_no_scale_are_refused(history, why):
    with pytest.raises(DataError, match=why):
        seasonal_scale(history, 2)


@pytest.mark.parametrize("levels", [(), (0.0, 0.5), (0.5, 0.1), (0.5, 0.5)])
def test_odd_levels_are_refused(levels):
    with pytest.raises(SpecError, match="rising"):
        pinball(levels)


def test_odd_answers_and_truths_are_refused():
    with pytest.raises(DataError, match="scale was 0"):
        Future(np.ones(3), 0.0)
    with pytest.raises(DataError, match="expected finite"):
        Future(np.array([1.0, np.nan]))
    with pytest.raises(DataError, match=r"answers \(1, 3\) and 1 truths of 2 steps"):
        mase(1)([[1.0, 2.0, 3.0]], futures([[1.0, 2.0]]), protocol="p")
    with pytest.raises(DataError, match=r"answer 1 .* NaN"):
        mase(1)([[1.0], [np.nan]], futures([[1.0], [1.0]]), protocol="p")
    with pytest.raises(SpecError, match="two of the levels"):
        coverage_gap((0.1, 0.9), low=0.2, high=0.9)
