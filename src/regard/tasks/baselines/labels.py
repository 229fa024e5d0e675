"""Baselines for classes: the most frequent value, and logistic regression on plain features."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.spec.errors import DataError

_STEPS = 300

Value = TypeVar("Value", int, str)


def most_frequent(values: Iterable[Value]) -> Value:
    """The most frequent of the training part's labels, answers or captions; of several, the first in order.

    Raises:
        DataError: there are none.
    """
    counts = Counter(values)
    if not counts:
        raise DataError("the most frequent of no values at all, expected 1 training row or more")
    return min(counts, key=lambda value: (-counts[value], value))


def logistic(train: ArrayLike, labels: ArrayLike, test: ArrayLike) -> NDArray[np.int64]:
    """Logistic regression (L2, C = 1, at most 300 steps of L-BFGS) on features as they are: pixels, or `one_hot`.

    train, test: (rows, ...) numbers, every row's flattened, over the largest absolute value in training, so that C
    means the same for bytes and for shares. labels (rows,) class indices. Gives class indices (test rows,).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    features, asked = flat(train), flat(test)
    largest = np.abs(features).max() or np.float32(1)
    model = LogisticRegression(C=1.0, max_iter=_STEPS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the limit on steps is part of the method
        model.fit(features / largest, np.asarray(labels))
    return np.asarray(model.predict(asked / largest), dtype=np.int64)


def one_hot(rows: ArrayLike, symbols: int) -> NDArray[np.float32]:
    """Symbols at fixed places, (rows, places) of 0 to symbols - 1, as (rows, places x symbols) zeros and ones; a place
    with -1 (past the end of a shorter row) is all zeros.

    Raises:
        DataError: a symbol outside that range.
    """
    places = np.asarray(rows, dtype=np.int64)
    if places.ndim != 2 or places.min(initial=0) < -1 or places.max(initial=0) >= symbols:
        raise DataError(f"symbols {places.shape}, expected (rows, places) of -1 to {symbols - 1}")
    return np.asarray((places[:, :, None] == np.arange(symbols)).reshape(len(places), -1), dtype=np.float32)


def flat(rows: ArrayLike) -> NDArray[np.float32]:
    """Every row's numbers in a line: (rows, ...) -> (rows, numbers)."""
    values: NDArray[Any] = np.asarray(rows)
    features: NDArray[np.float32] = values.reshape(len(values), -1).astype(np.float32)
    return features
