"""What a model has to beat: the most frequent label, and logistic regression on TF-IDF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regard.tasks.table import Row


@dataclass(frozen=True)
class Baseline:
    """A simple method's answers to the test rows, as class indices (rows,)."""

    name: str
    answers: NDArray[np.int64]


def majority(train: Sequence[Row], test: Sequence[Row], labels: Sequence[str]) -> Baseline:
    """Always the most frequent label of the training rows (the first in order of name, of several)."""
    counts = Counter(row.label for row in train)
    best = max(range(len(labels)), key=lambda index: (counts[labels[index]], -index))
    return Baseline(f"always {labels[best]!r}", np.full(len(test), best, dtype=np.int64))


def tfidf(train: Sequence[Row], test: Sequence[Row], labels: Sequence[str], *, spaceless: bool) -> Baseline:
    """Logistic regression (L2, C = 4) on TF-IDF of one and two words, or characters where spaces do not part words.

    Terms that occur in one row only are left out; term frequencies are on a log scale.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    cut = {"analyzer": "char"} if spaceless else {"analyzer": "word", "token_pattern": r"\w+"}
    vectors = TfidfVectorizer(**cut, ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    index = {label: place for place, label in enumerate(labels)}
    model = LogisticRegression(C=4.0, max_iter=1000)
    model.fit(vectors.fit_transform([row.text for row in train]), [index[row.label] for row in train])
    answers = model.predict(vectors.transform([row.text for row in test]))
    unit = "characters" if spaceless else "words"
    return Baseline(f"TF-IDF of {unit} + logistic regression", np.asarray(answers, dtype=np.int64))
