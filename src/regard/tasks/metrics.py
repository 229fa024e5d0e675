"""Scores with their protocol in their name, and with the interval that belongs to so many test rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError

_Z = 1.959963984540054  # the normal distribution's .975 quantile: two-sided 95 %
_DRAWS = 2000
_DRAW_SEED = 0

Classes = NDArray[np.int64]


@dataclass(frozen=True)
class Metric:
    """One score. `low` and `high` are its 95 % interval; `protocol` says how it came about, so that two figures with
    the same name and protocol may be compared."""

    name: str
    value: float
    low: float
    high: float
    rows: int
    protocol: str

    @property
    def full_name(self) -> str:
        """The name with its protocol, as it stands in metrics.json: `accuracy|part:test|rows:5000|...`."""
        return f"{self.name}|{self.protocol}"

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} [{self.low:.4f}, {self.high:.4f}] on {self.rows} rows"

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {"full_name": self.full_name, **asdict(self)}


def metric_from(values: dict[str, Any]) -> Metric:
    """The metric that `plain` wrote."""
    return Metric(**{key: value for key, value in values.items() if key != "full_name"})


def accuracy(answers: Classes, targets: Classes, *, protocol: str) -> Metric:
    """Share of right answers, with Wilson's 95 % score interval (Wilson 1927). Both (rows,), class indices."""
    from sklearn.metrics import accuracy_score

    _check(answers, targets)
    value = float(accuracy_score(targets, answers))
    low, high = wilson(value, len(targets))
    return Metric("accuracy", value, low, high, len(targets), f"{protocol}|interval:wilson95")


def macro_f1(answers: Classes, targets: Classes, *, classes: int, protocol: str) -> Metric:
    """The mean over classes of F1, each class counting alike; a class that never occurs nor is answered scores 0.

    The 95 % interval is the percentile bootstrap over rows. F1 depends on the confusion matrix alone, so that the
    matrix is resampled (2,000 draws, fixed seed), which is the same thing and needs no loop over rows.
    """
    from sklearn.metrics import f1_score

    _check(answers, targets)
    named = np.arange(classes)
    value = float(f1_score(targets, answers, labels=named, average="macro", zero_division=0))
    matrix = np.bincount(targets * classes + answers, minlength=classes * classes).astype(float)
    drawn = np.random.default_rng(_DRAW_SEED).multinomial(len(targets), matrix / matrix.sum(), size=_DRAWS)
    scores = macro_f1_of(drawn.reshape(_DRAWS, classes, classes))
    low, high = np.quantile(scores, (0.025, 0.975))
    return Metric("macro F1", value, float(low), float(high), len(targets), f"{protocol}|interval:bootstrap95")


def macro_f1_of(matrices: NDArray[Any]) -> NDArray[np.float64]:
    """Macro F1 of confusion matrices (..., classes that were, classes answered): 2 TP / (2 TP + FP + FN), averaged."""
    right = np.diagonal(matrices, axis1=-2, axis2=-1)
    whole = matrices.sum(-1) + matrices.sum(-2)
    scores: NDArray[np.float64] = np.divide(2 * right, whole, out=np.zeros(right.shape), where=whole > 0).mean(-1)
    return scores


def wilson(share: float, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share seen in so many rows: never outside [0, 1], right even at 0 and 1."""
    z2 = _Z * _Z
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z / (1 + z2 / rows) * np.sqrt(share * (1 - share) / rows + z2 / (4 * rows * rows))
    return max(0.0, float(middle - half)), min(1.0, float(middle + half))


def gain(answers: Classes, others: Classes, targets: Classes, *, protocol: str) -> Metric:
    """Accuracy minus that of other answers to the same rows; 95 % interval of the paired differences (normal)."""
    _check(answers, targets)
    _check(others, targets)
    each = (answers == targets).astype(float) - (others == targets).astype(float)
    half = _Z * float(each.std()) / np.sqrt(len(each))
    mean = float(each.mean())
    return Metric("accuracy gain", mean, mean - half, mean + half, len(each), f"{protocol}|interval:paired95")


def _check(answers: Classes, targets: Classes) -> None:
    if answers.shape != targets.shape or targets.ndim != 1 or not len(targets):
        raise DataError(f"answers {answers.shape} and targets {targets.shape}: expected the same (rows,), rows >= 1")
