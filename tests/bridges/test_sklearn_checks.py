"""scikit-learn's own checks of estimators, and the few that ours are expected to fail, each with its reason."""

from __future__ import annotations

from typing import Any

from sklearn.utils.estimator_checks import parametrize_with_checks

from regard.sklearn import AttentionClassifier, AttentionForecaster, AttentionRegressor

SMALL: dict[str, Any] = {"dim": 8, "layers": 1, "rate": 0.03}
ROWS: dict[str, Any] = {**SMALL, "heads": 1, "dropout": 0.0, "epochs": 25, "batch": 300}

_ROWS = {
    "check_sample_weight_equivalence_on_dense_data": "rows are drawn into batches and into a validation part: a row of "
    "weight 2 goes to one of them, and a row that is given twice may go to both"
}
_SERIES = {
    "check_fit1d": "a 1-D X is one series alone",
    "check_fit2d_predict1d": "a 1-D X is one series alone",
    "check_estimators_pickle": "it asks for forecasts of series of which nothing was observed lately: they are refused",
    "check_n_features_in_after_fitting": "a forecast may be asked of series longer or shorter than those fitted on",
    "check_dataframe_column_names_consistency": "columns are times, and later ones have other names",
}


def expected(estimator: Any) -> dict[str, str]:
    return _SERIES if isinstance(estimator, AttentionForecaster) else _ROWS


@parametrize_with_checks(
    [
        AttentionClassifier(**ROWS),
        AttentionRegressor(**{**ROWS, "epochs": 60}),
        AttentionForecaster(**SMALL, epochs=2, settings={"core.heads": 1}),
    ],
    expected_failed_checks=expected,
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
