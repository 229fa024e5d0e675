"""A regressor on rows of numbers, or on texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from regard.bridges.sklearn_explained import explained
from regard.bridges.sklearn_model import Model, fitted_rows
from regard.bridges.sklearn_rows import rows_to_ask, rows_to_fit, weights_of
from regard.tasks.given_tables import told_numbers


class AttentionRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A number told of each row: an attention model over the features of a table, or over the words of texts.

    X and the parameters are `AttentionClassifier`'s. The loss is the squared error, over the spread of y.

    Fitted: n_features_in_ and feature_names_in_ (of tables), epochs_ and best_epoch_, validation_loss_, model_.
    """

    def __init__(
        self,
        *,
        dim: int | None = None,
        layers: int | None = None,
        heads: int | None = None,
        dropout: float | None = None,
        epochs: int | None = None,
        batch: int | None = None,
        rate: float | None = None,
        validation: float = 0.15,
        patience: int | Literal["auto"] | None = "auto",
        settings: Mapping[str, Any] | None = None,
        verbose: bool = False,
        random_state: Any = None,
    ) -> None:
        self.dim = dim
        self.layers = layers
        self.heads = heads
        self.dropout = dropout
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.validation = validation
        self.patience = patience
        self.settings = settings
        self.verbose = verbose
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionRegressor:
        """Trains on rows X and their numbers y (rows,). sample_weight (rows,): what each row counts.

        Raises:
            ValueError: rows or numbers cannot be used; of texts, `DataError` names those.
            SpecError: a parameter is out of its range.
        """
        rows, told = rows_to_fit(self, X, y, number=True)
        truths, weights = np.asarray(told, dtype=np.float64), weights_of(sample_weight, len(rows))
        model = fitted_rows(self.get_params(deep=False), rows, truths, weights, told_numbers(truths[weights > 0]))
        self.kind_, self._model = rows.kind, model
        self.model_, self.epochs_, self.best_epoch_ = model.module, model.epochs, model.best_epoch
        self.validation_loss_ = model.loss
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """(rows,): the number told of each row."""
        model, part, _ = self._asked(X)
        spread, level = (float(model.setup.facts[name]) for name in ("spread", "level"))
        return model.outputs(part)[:, 0] * spread + level

    def explain(self, X: Any) -> Any:
        """What the answers drew on: of a table (rows, columns), each row 1 in all; of texts, of each a list of (word,
        weight). They are the pooling's weights, after the layers have mixed the tokens: a look, not a proof."""
        model, part, rows = self._asked(X)
        return explained(model, part, rows)

    def _asked(self, X: Any) -> tuple[Model, Any, Any]:
        check_is_fitted(self)
        rows = rows_to_ask(self, X, self.kind_)
        return self._model, rows.part(np.zeros(len(rows), dtype=np.int64), self._model.setup), rows

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags
