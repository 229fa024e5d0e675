"""scikit-learn: attention models as estimators, trained in memory by the loop that trains every other task."""

from regard.bridges.sklearn_classifier import AttentionClassifier
from regard.bridges.sklearn_forecaster import AttentionForecaster
from regard.bridges.sklearn_regressor import AttentionRegressor

__all__ = ["AttentionClassifier", "AttentionForecaster", "AttentionRegressor"]
