"""Figures on MovieLens 100K that were measured before, by other code: popularity .0859, first-order Markov .1453."""

import csv
from collections import defaultdict

import numpy as np
import pytest
from tests.data_sets import needed

from regard.tasks.baselines.events import markov_ranks, popularity_ranks
from regard.tasks.scores.ranking import hit_rate, ndcg


@pytest.fixture(scope="module")
def films():
    """Each user's films in order of time; many are rated in one second, and stay in the file's order then."""
    with needed("ml-100k").open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: int(row["time"]))
    users, number = defaultdict(list), {}
    for row in rows:
        users[row["user"]].append(number.setdefault(row["item"], len(number)))
    return [np.array(items) for items in users.values()], len(number)


@pytest.mark.data
def test_the_last_film_of_each_user_among_all_that_they_have_not_rated(films):
    users, items = films
    before, truths = [one[:-1] for one in users], np.array([one[-1] for one in users])
    assert (len(truths), items) == (943, 1682)
    popular = popularity_ranks(before, truths, items=items, seen=before)
    followed = markov_ranks(before, np.array([one[-1] for one in before]), truths, items=items, seen=before)
    for places, rate, gain in ((popular, 0.0859, 0.0439), (followed, 0.1453, 0.0792)):
        assert hit_rate(10)(places, truths, protocol="p").value == pytest.approx(rate, abs=5e-5)
        assert ndcg(10)(places, truths, protocol="p").value == pytest.approx(gain, abs=5e-4)
