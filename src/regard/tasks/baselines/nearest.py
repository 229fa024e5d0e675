"""Baselines that look up the nearest training row: its translation, its caption, its label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.spec.errors import DataError
from regard.tasks.baselines.labels import flat

_AT_ONCE = 16_000_000  # likenesses held at once: 64 MB


def nearest_texts(train: Sequence[str], test: Sequence[str], *, spaceless: bool = False) -> NDArray[np.int64]:
    """The training text most like each test text (test rows,), by the cosine of their TF-IDF.

    Terms are words, or with `spaceless` characters and pairs of them; their frequencies are on a log scale. Of several
    as near, and for a text that shares no term with any, it is the first. Nearest-neighbour translation is
    `[targets[row] for row in nearest_texts(sources, asked)]`.

    Raises:
        DataError: there are no training texts, or none has a single term.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    cut = {"analyzer": "char", "ngram_range": (1, 2)} if spaceless else {"analyzer": "word", "token_pattern": r"\w+"}
    vectors = TfidfVectorizer(**cut, sublinear_tf=True, dtype=np.float32)
    if not any(text.strip() for text in train):
        raise DataError(f"{len(train)} training texts, expected 1 or more that is not empty")
    there = vectors.fit_transform(train).T.tocsr()
    asked = vectors.transform(test)
    found = np.empty(len(test), dtype=np.int64)
    size = max(1, _AT_ONCE // len(train))
    for start in range(0, len(test), size):
        found[start : start + size] = (asked[start : start + size] @ there).toarray().argmax(1)
    return found


def nearest_pictures(train: ArrayLike, test: ArrayLike, *, neighbours: int = 1) -> NDArray[np.int64]:
    """The training pictures nearest to each test picture, nearest first: (test rows, neighbours).

    train, test: (rows, ...) numbers; near is a small sum of squared differences of pixels. Of several as
    near, the first.

    Raises:
        DataError: pictures of different sizes, or fewer in training than neighbours asked for.
    """
    there, asked = flat(train), flat(test)
    if there.shape[1] != asked.shape[1] or not 1 <= neighbours <= len(there):
        raise DataError(
            f"training {np.shape(train)}, test {np.shape(test)}, {neighbours} neighbours: expected pictures of one "
            "size, and no more neighbours than training pictures"
        )
    size = max(1, _AT_ONCE // len(there))
    middle = there.mean(0)  # differences stay, and numbers get small: less is lost in float32
    there, asked = there - middle, asked - middle
    own = np.square(there).sum(1)
    found = np.empty((len(asked), neighbours), dtype=np.int64)
    for start in range(0, len(asked), size):
        far = own - 2 * (asked[start : start + size] @ there.T)
        best = np.sort(np.argpartition(far, neighbours - 1, axis=1)[:, :neighbours], axis=1)
        order = np.argsort(np.take_along_axis(far, best, axis=1), axis=1, kind="stable")
        found[start : start + size] = np.take_along_axis(best, order, axis=1)
    return found


def voted(labels: ArrayLike, neighbours: NDArray[np.int64]) -> NDArray[np.int64]:
    """The most frequent label among each row's neighbours: labels (training rows,), neighbours (rows, k) -> (rows,).
    Of several as frequent, the lowest index."""
    theirs = np.asarray(labels, dtype=np.int64)[neighbours]
    classes = int(theirs.max()) + 1
    cells = np.arange(len(theirs))[:, None] * classes + theirs
    votes = np.bincount(cells.ravel(), minlength=len(theirs) * classes).reshape(-1, classes)
    return np.asarray(votes.argmax(1), dtype=np.int64)
