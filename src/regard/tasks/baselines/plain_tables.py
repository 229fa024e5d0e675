"""Baselines for tables: linear models on features that are standardised already."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_STEPS = 1000
_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)


def logistic_on_table(train: ArrayLike, labels: ArrayLike, test: ArrayLike) -> NDArray[np.int64]:
    """Logistic regression (L2, C = 1). train, test (rows, features), labels (rows,) class indices -> (test rows,)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit on steps is part of the method
        model.fit(np.asarray(train), np.asarray(labels))
    return np.asarray(model.predict(np.asarray(test)), dtype=np.int64)


def ridge(train: ArrayLike, targets: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Ridge regression, its strength the best of five by leaving one training row out. Gives (test rows,) numbers."""
    from sklearn.linear_model import RidgeCV

    model: Any = RidgeCV(alphas=_STRENGTHS).fit(np.asarray(train), np.asarray(targets))
    return np.asarray(model.predict(np.asarray(test)), dtype=np.float64)
