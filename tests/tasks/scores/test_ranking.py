"""Full ranking: places by hand and beside a plain sort, ties, seen items, blocks."""

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from regard.spec.errors import DataError, SpecError
from regard.tasks.scores.ranking import hit_rate, ndcg, ranks


def block_of(scores):
    return lambda start, stop: scores[:, start:stop]


def test_places_by_hand():
    scores = np.array([[0.1, 0.9, 0.5], [0.3, 0.2, 0.1]])
    assert ranks(block_of(scores), np.array([2, 0]), items=3).tolist() == [2, 1]


@pytest.mark.parametrize("block", [1, 3, 7, 64, 4096])
def test_blocks_make_no_difference(block):
    chance = np.random.default_rng(0)
    scores, truths = chance.normal(size=(20, 64)).astype(np.float32), chance.integers(0, 64, 20)
    order = np.argsort(-scores, axis=1)
    expected = 1 + np.argmax(order == truths[:, None], axis=1)
    assert ranks(block_of(scores), truths, items=64, block=block).tolist() == expected.tolist()


def test_no_more_than_a_block_is_asked_for():
    asked = []

    def score(start, stop):
        asked.append((start, stop))
        return np.zeros((1, stop - start))

    ranks(score, np.array([4]), items=10, block=4)
    assert set(asked) == {(0, 4), (4, 8), (8, 10)}


def test_ties_count_against_the_true_item():
    assert ranks(block_of(np.zeros((2, 5))), np.array([0, 4]), items=5).tolist() == [5, 5]


def test_seen_items_are_left_out_but_never_the_true_one():
    scores = np.array([[5.0, 4.0, 3.0, 2.0]])
    truth = np.array([3])
    assert ranks(block_of(scores), truth, items=4, seen=[np.array([0, 1])]).tolist() == [2]
    assert ranks(block_of(scores), truth, items=4, seen=[np.array([0, 3, 2])], block=2).tolist() == [2]
    assert ranks(block_of(scores), truth, items=4, seen=[np.array([], dtype=np.int64)]).tolist() == [4]


def test_hit_rate_and_ndcg_by_hand():
    places, items = np.array([1, 3, 11]), np.array([7, 8, 9])
    assert hit_rate(10)(places, items, protocol="p").value == pytest.approx(2 / 3)
    assert hit_rate(11)(places, items, protocol="p").value == 1.0
    assert hit_rate(2)(places, items, protocol="p").value == pytest.approx(1 / 3)
    metric = ndcg(10)(places, items, protocol="p")
    assert metric.value == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert metric.full_name == "NDCG@10|p|ranking:full|ties:against|interval:bootstrap95 over rows"
    assert "wilson95" in hit_rate(10)(places, items, protocol="p").protocol


def test_ndcg_is_sklearns_where_nothing_ties():
    chance = np.random.default_rng(1)
    scores, truths = chance.normal(size=(30, 40)), chance.integers(0, 40, 30)
    places = ranks(block_of(scores), truths, items=40)
    expected = ndcg_score(np.eye(40)[truths], scores, k=10)
    assert ndcg(10)(places, truths, protocol="p").value == pytest.approx(expected)


def test_scores_without_a_place_are_refused():
    with pytest.raises(DataError, match=r"item 2 for row 1 .* NaN"):
        ranks(block_of(np.array([[0.0, 1.0, 2.0], [0.0, 1.0, np.nan]])), np.array([0, 0]), items=3)
    with pytest.raises(DataError, match=r"expected \(1, 3\)"):
        ranks(lambda start, stop: np.zeros((2, 3)), np.array([0]), items=3)
    with pytest.raises(DataError, match="items from 0 to 2"):
        ranks(block_of(np.zeros((1, 3))), np.array([3]), items=3)
    with pytest.raises(DataError, match="expected ranks"):
        hit_rate(10)(np.array([0]), np.array([0]), protocol="p")
    with pytest.raises(SpecError, match="at least 1"):
        hit_rate(0)
