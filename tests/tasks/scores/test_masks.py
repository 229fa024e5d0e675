"""Intersection over union by hand and beside scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from regard.spec.errors import DataError
from regard.tasks.scores.masks import mask_iou, mean_iou


def test_mask_iou_by_hand():
    answers = [np.array([[1, 1], [0, 0]]), np.zeros((2, 3), dtype=int)]
    truths = [np.array([[0, 2], [0, 2]]), np.zeros((2, 3), dtype=int)]
    assert mask_iou.each(answers, truths) == pytest.approx([1 / 3, 1.0])  # any class is foreground; nothing in nothing


def test_mask_iou_of_wrong_places_is_0():
    assert mask_iou.each([np.array([[True, False]])], [np.array([[False, True]])]).tolist() == [0.0]


def test_mean_iou_is_sklearns_over_all_pixels():
    chance = np.random.default_rng(0)
    truths = [chance.integers(0, 3, (5, 6)) for _ in range(4)]
    answers = [np.where(chance.random((5, 6)) < 0.6, truth, 1) for truth in truths]
    flat = [np.concatenate([mask.ravel() for mask in masks]) for masks in (truths, answers)]
    expected = jaccard_score(*flat, average="macro")
    metric = mean_iou(3)(answers, truths, protocol="p")
    assert metric.value == pytest.approx(expected)
    assert metric.low < metric.value < metric.high


def test_a_class_that_is_nowhere_is_left_out():
    mask = [np.array([[0, 1]], dtype=np.uint8)]
    assert mean_iou(5)(mask, mask, protocol="p").value == 1.0


def test_masks_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match=r"answer 0 .* expected the same"):
        mask_iou([np.zeros((2, 2))], [np.zeros((2, 3))], protocol="p")
    with pytest.raises(DataError, match="expected 0 to 1"):
        mean_iou(2)([np.array([[2]])], [np.array([[0]])], protocol="p")
