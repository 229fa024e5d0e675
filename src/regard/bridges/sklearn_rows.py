"""What a scikit-learn user gives: a table of numbers, or a sequence of texts; checked as scikit-learn checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_y, check_consistent_length, validate_data

from regard.spec.errors import DataError
from regard.tasks.given_tables import Numbers, numbers_part
from regard.tasks.given_texts import checked_texts, texts_part
from regard.tasks.part import MeasuredPart
from regard.tasks.task import Setup

Kind = Literal["table", "texts"]
_ONE_BY_ONE = ("n_features_in_", "feature_names_in_")  # what scikit-learn notes of a table


@dataclass(frozen=True, eq=False)
class Rows:
    """numbers (rows, columns) float32, NaN where a cell is empty; or texts."""

    numbers: Numbers | None = None
    texts: list[str] | None = None
    names: tuple[str, ...] = ()  # of the columns

    @property
    def kind(self) -> Kind:
        return "table" if self.texts is None else "texts"

    def __len__(self) -> int:
        return len(self.numbers) if self.numbers is not None else len(self.texts or ())

    def part(self, truths: NDArray[Any], setup: Setup) -> MeasuredPart:
        """These rows, encoded; truths (rows,)."""
        if self.numbers is not None:
            return numbers_part(self.numbers, truths)
        return texts_part(self.texts or [], truths, setup)


def rows_to_fit(estimator: Any, X: Any, y: Any, *, number: bool) -> tuple[Rows, NDArray[Any]]:
    """(the rows, what is to be told of each (rows,)). number: it is one, not a class.

    Raises `ValueError` or `TypeError` in scikit-learn's words, and `DataError` for texts that cannot be used.
    """
    if not _is_texts(X):
        numbers, told = validate_data(
            estimator, X, y, dtype=np.float32, ensure_all_finite="allow-nan", y_numeric=number
        )
        names = getattr(estimator, "feature_names_in_", None)
        found = tuple(map(str, names)) if names is not None else tuple(map(str, range(numbers.shape[1])))
        return Rows(numbers=numbers, names=found), told
    for name in _ONE_BY_ONE:
        vars(estimator).pop(name, None)
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
    texts = checked_texts(list(X))
    told = _check_y(y, y_numeric=number, estimator=estimator)
    check_consistent_length(texts, told)
    return Rows(texts=texts), told


def rows_to_ask(estimator: Any, X: Any, kind: Kind) -> Rows:
    """The rows that a fitted estimator is asked for.

    Raises as `rows_to_fit` does, and `DataError` for rows of the other kind.
    """
    if _is_texts(X):
        if kind == "table":
            raise DataError(
                f"this {type(estimator).__name__} was fitted on a table of {estimator.n_features_in_} columns, and was "
                "given texts"
            )
        return Rows(texts=checked_texts(list(X)))
    if kind == "texts":
        raise DataError(
            f"this {type(estimator).__name__} was fitted on texts, and was given {type(X).__name__}: expected a "
            "sequence of texts, such as a list of str or one column of a table"
        )
    return Rows(numbers=validate_data(estimator, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False))


def weights_of(sample_weight: Any, count: int) -> NDArray[np.float32]:
    """What each row counts, (rows,), 1 in the mean of those that count at all.

    Raises:
        ValueError: they are not one finite number a row, one is below 0, or all are 0.
    """
    if sample_weight is None:
        return np.ones(count, dtype=np.float32)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(count, float(weights))
    if weights.shape != (count,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({count},): one number a row")
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("sample_weight holds a number that is negative or not finite: expected 0 or more for each row")
    if not weights.any():
        raise ValueError("Sample weights must contain at least one non-zero number: all rows have weight zero")
    found: NDArray[np.float32] = (weights / weights[weights > 0].mean()).astype(np.float32)
    return found


def _is_texts(X: Any) -> bool:
    """One axis, of strings. What is half of strings counts, so that its odd ones are named."""
    axes = getattr(X, "ndim", len(getattr(X, "shape", ())) or 1)
    if axes != 1 or isinstance(X, (str, bytes)) or not hasattr(X, "__len__") or not hasattr(X, "__iter__"):
        return False
    return any(isinstance(one, str) for one in X)
