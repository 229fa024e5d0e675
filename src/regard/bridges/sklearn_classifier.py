"""A classifier of rows of numbers, or of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from regard.bridges.sklearn_explained import explained
from regard.bridges.sklearn_model import Model, fitted_rows
from regard.bridges.sklearn_rows import rows_to_ask, rows_to_fit, weights_of


class AttentionClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classes of rows: an attention model over the features of a table, or over the words of texts.

    X is a table of numbers (rows, columns), each column a token, NaN where a cell is empty; or a sequence of texts,
    each word a token. The model is that of the tasks `tabular` and `classify`: a transformer, attention pooling, a
    linear layer. Parameters that are None are those of the task.

    dim, layers, heads, dropout: the size of a token's vector, the blocks, their heads, and dropout on vectors.
    epochs, batch, rate: most epochs, rows a step, the peak learning rate (AdamW, warmup and cosine).
    validation: share of the rows that choose the best epoch and are not trained on. patience: epochs without a better
    validation loss after which training stops (None: never; "auto": a fifth of all, at least 10).
    settings: further settings by the names that `regard train --set` takes: {"tokens.longest": 512, "core.kind":
    "bilstm"}. verbose: print a line for each epoch.

    Fitted: classes_ (classes,), n_features_in_ and feature_names_in_ (of tables), epochs_ and best_epoch_,
    validation_loss_, model_ (a torch module). With a `random_state` the same rows give the same model.
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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> AttentionClassifier:
        """Trains on rows X and their classes y (rows,), of any type. sample_weight (rows,): what each row counts.

        Raises:
            ValueError: rows or classes cannot be used; of texts, `DataError` names those.
            SpecError: a parameter is out of its range.
        """
        rows, told = rows_to_fit(self, X, y, number=False)
        check_classification_targets(told)
        self.classes_, places = np.unique(told, return_inverse=True)
        labels = {"labels": [str(one) for one in self.classes_]}
        weights = weights_of(sample_weight, len(rows))
        model = fitted_rows(self.get_params(deep=False), rows, places.astype(np.int64), weights, labels)
        self.kind_, self._model = rows.kind, model
        self.model_, self.epochs_, self.best_epoch_ = model.module, model.epochs, model.best_epoch
        self.validation_loss_ = model.loss
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """(rows, classes): the probability of each class, in the order of `classes_`."""
        model, part, _ = self._asked(X)
        found: NDArray[np.float64] = softmax(model.outputs(part), axis=1)
        return found

    def predict(self, X: Any) -> NDArray[Any]:
        """(rows,): the most probable class of each row."""
        best = self.predict_proba(X).argmax(1)  # says what is missing where nothing was fitted
        found: NDArray[Any] = np.asarray(self.classes_)[best]
        return found

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
