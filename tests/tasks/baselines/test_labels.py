"""The most frequent value; logistic regression on rows where the right answer is plain, and on the digits."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from regard.spec.errors import DataError
from regard.tasks.baselines.labels import logistic, most_frequent, one_hot


def test_the_most_frequent_value_and_the_first_of_several():
    assert most_frequent(["b", "a", "b"]) == "b"
    assert most_frequent(["b", "a"]) == "a"
    assert most_frequent([3, 1, 3, 1, 2]) == 1
    with pytest.raises(DataError, match="no values"):
        most_frequent([])


def test_one_hot_by_hand():
    assert one_hot([[0, 2], [1, -1]], 3).tolist() == [[1, 0, 0, 0, 0, 1], [0, 1, 0, 0, 0, 0]]
    with pytest.raises(DataError, match="-1 to 2"):
        one_hot([[3]], 3)


def test_logistic_learns_the_base_that_decides():
    chance = np.random.default_rng(0)
    rows = chance.integers(0, 4, (300, 10))
    labels = (rows[:, 4] == 2).astype(int)
    features = one_hot(rows, 4)
    assert (logistic(features[:200], labels[:200], features[200:]) == labels[200:]).all()


def test_the_scale_of_pixels_is_no_matter():
    chance = np.random.default_rng(1)
    pictures, labels = chance.random((80, 4, 4)), chance.integers(0, 3, 80)
    small = logistic(pictures[:60], labels[:60], pictures[60:])
    assert np.array_equal(small, logistic(pictures[:60] * 255, labels[:60], pictures[60:] * 255))


def test_pictures_without_a_single_pixel_set():
    assert logistic(np.zeros((4, 2, 2)), [0, 1, 1, 1], np.zeros((1, 2, 2))).tolist() == [1]


def test_it_reads_nearly_all_digits():
    digits = load_digits()
    train, test, labels, truths = train_test_split(
        digits.images, digits.target, test_size=540, random_state=0, stratify=digits.target
    )
    assert 0.94 < (logistic(train, labels, test) == truths).mean() < 0.98
