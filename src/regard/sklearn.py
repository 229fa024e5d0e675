"""Attention models as scikit-learn estimators: `from regard.sklearn import AttentionClassifier`.

Loading this module loads scikit-learn; `import regard` does not.
"""

from regard.spec.extra import require

require("sklearn", "accelerate", "tokenizers", "pydantic", "safetensors", what="regard.sklearn")

from regard.bridges.sklearn import AttentionClassifier, AttentionForecaster, AttentionRegressor  # noqa: E402

__all__ = ["AttentionClassifier", "AttentionForecaster", "AttentionRegressor"]
