"""The average box and the usual mask by hand."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.baselines.scenes import constant_boxes, most_frequent_mask
from regard.tasks.scores.boxes import Boxes, mean_average_precision


def boxes(*rows):
    places = np.array([row[:4] for row in rows], dtype=float).reshape(-1, 4)
    return Boxes(places, np.array([row[4] for row in rows], dtype=np.int64))


def test_constant_boxes_by_hand():
    train = [boxes((0, 0, 10, 10, 3), (2, 2, 4, 4, 5)), boxes((20, 0, 40, 20, 3))]
    (found,) = constant_boxes(train, [[10, 10], [40, 20]], [[100, 10]])
    # class 3: 0, 0, 1, 1 and .5, 0, 1, 1 of their pictures
    assert found.labels.tolist() == [3, 5]
    assert found.places == pytest.approx(np.array([[25, 0, 100, 10], [20, 2, 40, 4]]))
    assert found.scores.tolist() == [1.0, 0.5]


def test_they_can_be_scored():
    train = [boxes((0, 0, 10, 10, 0)), boxes((1, 1, 9, 9, 0)), boxes()]
    found = constant_boxes(train, [[20, 20]] * 3, [[20, 20]] * 3)
    assert len(found) == 3
    assert mean_average_precision()(found, train, protocol="p").value == pytest.approx(1.0)


def test_the_usual_mask_by_hand():
    train = [np.array([[0, 1], [2, 1]]), np.array([[0, 1], [2, 0]]), np.array([[1, 1], [0, 2]])]
    assert most_frequent_mask(train, 3).tolist() == [[0, 1], [2, 0]]  # a draw goes to the lowest


def test_nothing_to_average_is_refused():
    with pytest.raises(DataError, match="without a single box"):
        constant_boxes([boxes()], [[1, 1]], [[1, 1]])
    with pytest.raises(DataError, match=r"sizes \(2, 2\)"):
        constant_boxes([boxes()], [[1, 1], [2, 2]], [[1, 1]])
    with pytest.raises(DataError, match="one size"):
        most_frequent_mask([np.zeros((1, 2)), np.zeros((2, 1))], 2)
