"""Witten-Bell probabilities by hand, summing to one, and beside a slow truth made of dictionaries."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.spec.errors import DataError
from regard.tasks.baselines.ngrams import fit_ngrams

ROWS = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=6).filter(any)


def slow(rows, symbols, order):
    """(context, symbol) -> probability, by recursion over dictionaries of counts."""
    after = defaultdict(Counter)
    for row in rows:
        padded = [symbols] * (order - 1) + list(row)
        for place in range(order - 1, len(padded)):
            for length in range(order):
                after[tuple(padded[place - length : place])][padded[place]] += 1

    def chance(context, symbol):
        below = 1 / symbols if not context else chance(context[1:], symbol)
        counts = after.get(context)
        if counts is None:
            return below
        return (counts[symbol] + len(counts) * below) / (sum(counts.values()) + len(counts))

    return chance


def test_by_hand():
    # one row, 0 1 0: alone, 0 twice and 1 once of three, two kinds; after 0 came 1 once
    model = fit_ngrams([[0, 1, 0]], symbols=2, order=2)
    alone = np.array([2 + 2 / 2, 1 + 2 / 2]) / (3 + 2)
    assert fit_ngrams([[0, 1, 0]], symbols=2, order=1).distribution([]) == pytest.approx(alone)
    assert model.distribution([0]) == pytest.approx([(0 + 1 * alone[0]) / 2, (1 + 1 * alone[1]) / 2])
    assert model.distribution([]) == pytest.approx([(1 + alone[0]) / 2, alone[1] / 2])  # a row began with 0


@given(ROWS, st.lists(st.integers(0, 3), max_size=6), st.integers(1, 5))
def test_probabilities_sum_to_one_after_anything(rows, before, order):
    shares = fit_ngrams(rows, symbols=4, order=order).distribution(before)
    assert shares.sum() == pytest.approx(1.0)
    assert (shares > 0).all()


@given(ROWS, ROWS, st.integers(1, 5))
def test_it_is_the_slow_truth(train, test, order):
    chance = slow(train, 4, order)
    found = fit_ngrams(train, symbols=4, order=order).log_probabilities(test)
    for row, logs in zip(test, found, strict=True):
        padded = [4] * (order - 1) + list(row)
        wanted = [chance(tuple(padded[i : i + order - 1]), symbol) for i, symbol in enumerate(row)]
        assert np.exp(logs) == pytest.approx(wanted)


@given(ROWS, st.integers(1, 5))
def test_a_row_scored_and_its_distributions_agree(rows, order):
    model = fit_ngrams(rows, symbols=4, order=order)
    row = [3, 0, 1, 1, 2, 0]
    steps = [model.distribution(row[:place])[symbol] for place, symbol in enumerate(row)]
    assert np.exp(model.log_probabilities([row])[0]) == pytest.approx(steps)


def test_rows_do_not_reach_into_each_other():
    together = fit_ngrams([[0, 1], [2, 3]], symbols=4, order=3)
    other = fit_ngrams([[2, 3], [0, 1]], symbols=4, order=3)
    assert together.distribution([1]) == pytest.approx(other.distribution([1]))
    assert together.distribution([]) == pytest.approx(other.distribution([]))


def test_longer_contexts_foretell_a_cycle_better():
    cycle = [0, 1, 0, 2] * 50
    bits = [-fit_ngrams([cycle], symbols=3, order=order).log_probabilities([cycle])[0].mean() for order in (1, 2, 3)]
    assert bits[0] > bits[1] > bits[2]
    assert bits[2] < 0.1


def test_many_different_symbols_fit():
    rows = np.random.default_rng(0).integers(0, 50_000, (3, 200))
    assert fit_ngrams(list(rows), symbols=50_000).distribution(rows[0][:4]).sum() == pytest.approx(1.0)


@pytest.mark.parametrize(("rows", "order"), [([[4]], 2), ([[-1]], 2), ([[]], 2), ([[0]], 0)])
def test_odd_rows_are_refused(rows, order):
    with pytest.raises(DataError, match="expected"):
        fit_ngrams(rows, symbols=4, order=order)


def test_odd_test_rows_are_refused():
    with pytest.raises(DataError, match="symbols from 9 to 9"):
        fit_ngrams([[0]], symbols=4).log_probabilities([[9]])
