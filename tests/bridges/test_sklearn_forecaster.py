"""Series in memory: what comes next, with intervals, covariates, and where the answer looked."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from regard.sklearn import AttentionForecaster
from regard.spec.errors import DataError, SpecError

SMALL: dict[str, Any] = {"dim": 16, "layers": 1, "epochs": 15, "rate": 0.01, "random_state": 0}


def waves(series: int = 3, steps: int = 96) -> Any:
    """Waves of period 8 with a little noise, at other levels and of other heights."""
    draw, time = np.random.default_rng(0), np.arange(steps)
    level, height = np.array([[10.0], [0.0], [-5.0]])[:series], np.array([[1.0], [4.0], [2.0]])[:series]
    return level + height * (np.sin(2 * np.pi * time / 8) + 0.2 * draw.normal(size=(series, steps)))


def test_waves_go_on() -> None:
    X = waves()
    model = AttentionForecaster(8, season=8, **{**SMALL, "epochs": 150}).fit(X[:, :-8])
    found = model.predict()
    assert found.shape == (3, 8)
    assert model.score(X) > 0.1  # better than the last season again
    assert np.allclose(model.predict(X[:, :-8]), found)
    assert model.score(X[:, :-8], X[:, -8:]) == pytest.approx(model.score(X))
    errors = np.abs(found - X[:, -8:]).mean(1)
    assert (errors < [0.5, 2.0, 1.0]).all()


def test_quantiles_ascend_and_the_middle_one_is_the_forecast() -> None:
    X = waves()
    model = AttentionForecaster(4, season=8, quantiles=(0.05, 0.5, 0.95), **SMALL).fit(X)
    found = model.predict_quantiles(X)
    assert found.shape == (3, 4, 3)
    assert (np.diff(found, axis=-1) >= 0).all()
    assert np.array_equal(found[..., 1], model.predict(X))


def test_one_series_alone() -> None:
    (y,) = waves(1)
    model = AttentionForecaster(4, season=8, context=16, **SMALL).fit(y)
    assert (model.predict().shape, model.predict(y[:30]).shape, model.predict_quantiles().shape) == ((4,), (4,), (4, 3))
    assert model.explain().shape == (16,)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(), model.predict())


def test_explain_shares_out_the_past() -> None:
    X = waves()
    model = AttentionForecaster(4, season=8, context=16, **SMALL).fit(X)
    found = model.explain(X)
    assert found.shape == (3, 16)
    assert np.allclose(found.sum(1), 1)
    assert np.allclose(found[:, 0], found[:, 3])  # steps of one patch have equal shares


def test_what_is_known_ahead_helps() -> None:
    """Steps that jump with a switch nobody could foresee; the switch is known ahead."""
    switch = np.random.default_rng(1).integers(0, 2, size=(4, 60)).astype(float)
    X = 10 * switch + 0.1 * np.random.default_rng(2).normal(size=switch.shape)
    more = {**SMALL, "epochs": 40, "settings": {"series.patch": 1}}
    model = AttentionForecaster(1, context=4, **more).fit(X[:, :-1], known=switch[:, :-1, None])
    error = np.abs(model.predict(known=switch[:, -1:, None])[:, 0] - X[:, -1])
    assert error.max() < 4
    assert np.allclose(model.predict(X[:, :-1], known=switch[..., None]), model.predict(known=switch[:, -1:, None]))
    with pytest.raises(DataError, match=r"known has shape \(0,\), expected what is known of the steps to come"):
        model.predict()


def test_gaps_are_not_filled() -> None:
    X = waves()
    X[0, 5:9] = np.nan
    model = AttentionForecaster(4, season=8, context=16, **SMALL).fit(X)
    there = X.copy()
    there[1, -3:] = np.nan
    assert np.isfinite(model.predict(there)).all()
    there[1, -10:] = np.nan
    with pytest.raises(DataError, match="1 of 3 series have too few values among their last 16 steps: series 1 has 6"):
        model.predict(there)


def test_in_a_search_over_series() -> None:
    X = np.concatenate([waves(), waves() + 1])
    search = GridSearchCV(AttentionForecaster(4, season=8, **{**SMALL, "epochs": 2}), {"dim": [8, 16]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_a_score_is_1_when_right_and_0_when_as_good_as_repeating(monkeypatch: pytest.MonkeyPatch) -> None:
    """A past of 1, 2, 3; then 5, 7. The last season (of one step) again errs by 2 and 4."""
    X, y = np.array([[1.0, 2, 3, 2, 3]]), np.array([[5.0, 7]])
    model = AttentionForecaster(2, **{**SMALL, "epochs": 1}).fit(np.array([[1.0, 2, 3, 2, 3, 4, 3, 4]]))
    for answer, score in (([5, 7], 1.0), ([3, 3], 0.0), ([4, 5], 0.5), ([9, 11], -4 / 3 + 1)):
        monkeypatch.setattr(
            AttentionForecaster, "predict", lambda self, X, told=answer, **more: np.array([told], float)
        )
        assert model.score(X, y) == pytest.approx(score)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"quantiles": (0.1, 0.9)}, "quantiles was"),
        ({"quantiles": (0.5, 0.1, 0.9)}, "quantiles was"),
        ({"settings": {"series.horizon": 3}}, r"settings names series\.horizon: say it by the parameter"),
        ({"horizon": 0}, r"series\.horizon was 0"),
    ],
)
def test_parameters_out_of_range_are_refused(more: dict[str, Any], told: str) -> None:
    with pytest.raises(SpecError, match=told):
        AttentionForecaster(**{**SMALL, **more}).fit(waves())


def test_series_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(ValueError, match=r"4 feature\(s\) .* while a minimum of 9 is required"):
        AttentionForecaster(8, **SMALL).fit(waves()[:, :4])
    with pytest.raises(
        DataError, match=r"past has shape \(3, 5, 1\), expected \(series, steps, columns\) = \(3, 96, 1\)"
    ):
        AttentionForecaster(1, **SMALL).fit(waves(), past=np.zeros((3, 5, 1)))
    with pytest.raises(DataError, match="known holds entries that are not finite"):
        AttentionForecaster(1, **SMALL).fit(waves(), known=np.full((3, 96, 1), np.nan))
    with pytest.raises(NotFittedError):
        AttentionForecaster().predict()
