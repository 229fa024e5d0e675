"""Baselines of detection and segmentation: the boxes and the mask that training pictures have on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from regard.spec.errors import DataError
from regard.tasks.scores.boxes import Boxes


def constant_boxes(train: Sequence[Boxes], sizes: ArrayLike, test_sizes: ArrayLike) -> list[Boxes]:
    """For every test picture one box of each class: the mean of the class's training boxes, as a share of their
    pictures' sizes. Its score is the share of training pictures that have the class.

    sizes, test_sizes: (rows, 2) width and height in pixels.

    Raises:
        DataError: not one size a picture, or no box in training.
    """
    sides, asked = np.asarray(sizes, dtype=float), np.asarray(test_sizes, dtype=float)
    if sides.shape != (len(train), 2) or asked.ndim != 2 or asked.shape[1] != 2:
        raise DataError(f"{len(train)} pictures, sizes {sides.shape} and {asked.shape}, expected (rows, 2) of each")
    labels = np.concatenate([one.labels for one in train]) if len(train) else np.empty(0, dtype=np.int64)
    if not len(labels):
        raise DataError(f"{len(train)} training pictures without a single box, expected 1 box or more")
    shares = np.concatenate([one.places / np.tile(size, 2) for one, size in zip(train, sides, strict=True)])
    classes = np.unique(labels)
    means = np.stack([shares[labels == label].mean(0) for label in classes])
    having = np.array([sum(label in one.labels for one in train) for label in classes]) / len(train)
    return [Boxes(means * np.tile(size, 2), classes, having) for size in asked]


def most_frequent_mask(train: Sequence[NDArray[Any]], classes: int) -> NDArray[np.int64]:
    """The class that each pixel has most often in training, (height, width); of several, the lowest.

    train: masks (height, width) of one size, class indices, 0 for background.

    Raises:
        DataError: there are none, or they differ in size.
    """
    shapes = sorted({mask.shape for mask in train})
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise DataError(f"training masks of sizes {shapes}, expected one size (height, width)")
    times = np.zeros((classes, *shapes[0]), dtype=np.int64)
    for mask in train:
        for label in range(classes):
            times[label] += mask == label
    return np.asarray(times.argmax(0), dtype=np.int64)
