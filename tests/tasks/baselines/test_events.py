"""Popularity and Markov by hand."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.baselines import events
from regard.tasks.baselines.events import markov_ranks, popularity_ranks

HISTORIES = [np.array(items) for items in ([0, 1, 2], [0, 1, 3], [3, 1, 2], [0])]  # 0: 3 times, 1: 3, 2: 2, 3: 2


def test_popularity_by_hand():
    found = popularity_ranks(HISTORIES, np.array([0, 1, 2, 3, 4]), items=5)
    assert found.tolist() == [2, 2, 4, 4, 5]  # of two as popular both get the lower place


def test_popularity_without_what_was_seen():
    seen = [np.array([0, 1]), np.array([0])]
    assert popularity_ranks(HISTORIES, np.array([2, 1]), items=5, seen=seen).tolist() == [2, 1]


def test_markov_by_hand():
    # after 1 came 2 twice and 3 once; 0 and 1 never did, but are more popular than 4
    found = markov_ranks(HISTORIES, np.array([1, 1, 1, 1]), np.array([2, 3, 0, 4]), items=5)
    assert found.tolist() == [1, 2, 4, 5]


def test_after_an_item_that_nothing_followed_it_is_popularity():
    truths = np.array([0, 1, 2, 3, 4])
    found = markov_ranks(HISTORIES, np.full(5, 4), truths, items=5)
    assert found.tolist() == popularity_ranks(HISTORIES, truths, items=5).tolist()


def test_users_in_several_goes_are_ranked_the_same(monkeypatch):
    chance = np.random.default_rng(0)
    histories = [chance.integers(0, 30, 12) for _ in range(40)]
    last, truths = chance.integers(0, 30, 40), chance.integers(0, 30, 40)
    arguments = {"items": 30, "seen": histories}
    whole = markov_ranks(histories, last, truths, **arguments), popularity_ranks(histories, truths, **arguments)
    monkeypatch.setattr(events, "_USERS", 7)
    assert np.array_equal(markov_ranks(histories, last, truths, **arguments), whole[0])
    assert np.array_equal(popularity_ranks(histories, truths, **arguments), whole[1])


def test_histories_without_items_are_refused():
    with pytest.raises(DataError, match="from 0 to 4"):
        popularity_ranks([np.array([5])], np.array([0]), items=5)
    with pytest.raises(DataError, match="0 items in 0 histories"):
        popularity_ranks([], np.array([0]), items=5)
