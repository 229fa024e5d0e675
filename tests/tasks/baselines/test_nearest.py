"""The nearest text and picture where it is plain which one it is, and beside scikit-learn's neighbours."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from regard.spec.errors import DataError
from regard.tasks.baselines import nearest
from regard.tasks.baselines.nearest import nearest_pictures, nearest_texts, voted

SOURCES = ["open the file", "close the window", "insert a table into the text"]
TARGETS = ["Datei öffnen", "Fenster schließen", "Tabelle einfügen"]


def test_the_translation_of_the_nearest_source():
    found = nearest_texts(SOURCES, ["Close this window!", "the table"])
    assert [TARGETS[row] for row in found] == ["Fenster schließen", "Tabelle einfügen"]


def test_rare_words_weigh_more_than_common_ones():
    train = ["the the the of of of cat", "the of zebra", "of the and", "and the of"]
    assert nearest_texts(train, ["the of of the of the the zebra"]).tolist() == [1]


def test_texts_without_spaces():
    assert nearest_texts(["我喜欢苹果", "他在家里"], ["她在家"], spaceless=True).tolist() == [1]


def test_a_text_that_shares_nothing_gets_the_first_one():
    assert nearest_texts(SOURCES, ["zebra", ""]).tolist() == [0, 0]


def test_texts_in_several_goes_are_the_same(monkeypatch):
    asked = [*SOURCES, "a file", "text"]
    whole = nearest_texts(SOURCES, asked)
    monkeypatch.setattr(nearest, "_AT_ONCE", 6)  # two test texts at once
    assert np.array_equal(nearest_texts(SOURCES, asked), whole)


def test_nothing_to_be_near_to_is_refused():
    with pytest.raises(DataError, match="expected 1 or more"):
        nearest_texts(["", " "], ["a"])


@pytest.mark.parametrize("at_once", [16_000_000, 150])
def test_pictures_are_sklearns_neighbours(monkeypatch, at_once):
    monkeypatch.setattr(nearest, "_AT_ONCE", at_once)
    chance = np.random.default_rng(0)
    train, test = chance.random((60, 5, 5)) + 3, chance.random((20, 5, 5)) + 3
    own = NearestNeighbors(n_neighbors=4).fit(train.reshape(60, -1))
    expected = own.kneighbors(test.reshape(20, -1), return_distance=False)
    assert np.array_equal(nearest_pictures(train, test, neighbours=4), expected)


def test_the_vote_is_sklearns():
    chance = np.random.default_rng(1)
    train, test, labels = chance.random((60, 6)), chance.random((30, 6)), chance.integers(0, 3, 60)
    own = KNeighborsClassifier(n_neighbors=5).fit(train, labels)
    assert np.array_equal(voted(labels, nearest_pictures(train, test, neighbours=5)), own.predict(test))


def test_a_drawn_vote_goes_to_the_lowest_label():
    assert voted([2, 1, 0], np.array([[0, 1], [1, 2], [0, 0]])).tolist() == [1, 0, 2]


def test_of_equally_near_pictures_the_first():
    assert nearest_pictures(np.zeros((3, 2)), np.ones((1, 2)), neighbours=2).tolist() == [[0, 1]]


def test_pictures_that_do_not_fit_are_refused():
    for train, test, neighbours in ((np.ones((2, 4)), np.ones((1, 5)), 1), (np.ones((2, 4)), np.ones((1, 4)), 3)):
        with pytest.raises(DataError, match="pictures of one size"):
            nearest_pictures(train, test, neighbours=neighbours)
