"""Forecasts by hand, and DLinear beside scikit-learn's ridge regression and on series that it must foretell."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from regard.spec.errors import DataError
from regard.tasks.baselines import series
from regard.tasks.baselines.series import fit_dlinear, seasonal_naive, spread


def windows(values, length, horizon):
    every = np.lib.stride_tricks.sliding_window_view(values, length + horizon)
    return every[:, :length], every[:, length:]


def waves(steps=600, noise=0.0, seed=0):
    time = np.arange(steps)
    chance = np.random.default_rng(seed)
    return 100 + 0.05 * time + 8 * np.sin(time * 2 * np.pi / 24) + noise * chance.normal(size=steps)


def test_the_last_season_again():
    found = seasonal_naive([[9.0, 1.0, 2.0, 3.0]], horizon=5, season=3)
    assert found.tolist() == [[1.0, 2.0, 3.0, 1.0, 2.0]]
    assert seasonal_naive([[9.0, 1.0, 2.0, 3.0]], horizon=2, season=3).tolist() == [[1.0, 2.0]]
    assert seasonal_naive([[1.0, 4.0]], horizon=2, season=1).tolist() == [[4.0, 4.0]]


def test_dlinear_foretells_a_wave_on_a_slope():
    past, future = windows(waves(), 48, 12)
    model = fit_dlinear(past[:400], future[:400])
    assert model(past[450:]) == pytest.approx(future[450:], abs=0.5)
    naive = seasonal_naive(past[450:], horizon=12, season=24)
    assert np.abs(model(past[450:]) - future[450:]).mean() < 0.3 * np.abs(naive - future[450:]).mean()


def test_it_is_ridge_regression_on_the_average_and_the_rest(monkeypatch):
    monkeypatch.setattr(series, "_STRENGTHS", (0.01,))
    past, future = windows(waves(noise=3.0), 30, 6)
    middle, width = past.mean(1, keepdims=True), past.std(1, keepdims=True)
    scaled = (past - middle) / width
    padded = np.concatenate([scaled[:, :1].repeat(12, 1), scaled, scaled[:, -1:].repeat(12, 1)], axis=1)
    average = np.stack([padded[:, step : step + 25].mean(1) for step in range(30)], axis=1)
    strength = 0.01 * np.square(scaled).sum() / 30
    own = Ridge(alpha=strength).fit(np.concatenate([average, scaled - average], axis=1), (future - middle) / width)
    expected = own.predict(np.concatenate([average, scaled - average], axis=1)) * width + middle
    assert fit_dlinear(past, future)(past) == pytest.approx(expected)


def test_blocks_make_no_difference(monkeypatch):
    past, future = windows(waves(noise=2.0), 30, 6)
    whole = fit_dlinear(past, future)(past)
    monkeypatch.setattr(series, "_AT_ONCE", 17)
    assert fit_dlinear(past, future)(past) == pytest.approx(whole)


def test_level_and_size_of_a_series_are_no_matter():
    past, future = windows(waves(noise=2.0), 30, 6)
    model = fit_dlinear(past, future)
    assert fit_dlinear(1000 * past + 5, 1000 * future + 5)(1000 * past + 5) == pytest.approx(1000 * model(past) + 5)


def test_a_strong_ridge_is_chosen_for_noise_and_a_weak_one_for_a_wave(monkeypatch):
    chosen = []
    solved = series._Sums.solved

    def heard(sums, parts, strength):
        chosen.append(strength)
        return solved(sums, parts, strength)

    monkeypatch.setattr(series._Sums, "solved", heard)
    noise = np.random.default_rng(0).normal(size=400)
    fit_dlinear(*windows(noise, 48, 6))
    fit_dlinear(*windows(waves(), 48, 6))
    assert chosen[5] > chosen[11]  # after five tries each, the one that was taken


def test_a_series_that_never_changes_stays_where_it_is():
    past = np.concatenate([np.full((20, 6), 4.0), np.full((20, 6), 9.0)])
    model = fit_dlinear(past, np.concatenate([np.full((20, 2), 4.0), np.full((20, 2), 9.0)]))
    assert model(np.full((1, 6), 7.0)) == pytest.approx(np.full((1, 2), 7.0))


def test_quantiles_from_the_errors_of_training():
    futures = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    offsets = spread(np.zeros((3, 2)), futures, (0.0, 0.5, 1.0))
    assert offsets.tolist() == [[1.0, 2.0, 3.0], [10.0, 20.0, 30.0]]
    assert (np.zeros((4, 2))[..., None] + offsets).shape == (4, 2, 3)


def test_windows_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="season >= 1"):
        seasonal_naive([[1.0, 2.0]], horizon=1, season=3)
    with pytest.raises(DataError, match=r"expected \(rows, length\)"):
        fit_dlinear(np.ones((20, 5)), np.ones((19, 2)))
    with pytest.raises(DataError, match="NaN or infinity"):
        fit_dlinear(np.full((20, 5), np.nan), np.ones((20, 2)))
    with pytest.raises(DataError, match=r"expected \(rows, 30\)"):
        fit_dlinear(*windows(waves(), 30, 6))(np.ones((1, 31)))
