"""Judging by codes, in numbers a person can compute, and against the plain formula."""

from __future__ import annotations

import numpy as np
import pytest
from tests.focus_ways import needed

needed()

from regard.kernels.compiled import judging  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402

NONE = np.empty(0, np.uint8)


def scored(codes: Array, query: Array, turn: Array, bases: Array, allowed: Array, grain: int) -> tuple[Array, Array]:
    """(scores (G, n), the largest of each head (G))"""
    groups, count = len(query), codes.shape[1]
    factors, scores = np.empty((groups, turn.shape[1] + 2), np.float32), np.empty((groups, count), np.float32)
    judging.turned(query, turn, factors)
    peaks = np.empty(grain, np.float32)
    tops = [
        judging.judged(codes, factors[head], bases[head], allowed, grain, peaks, scores[head]) for head in range(groups)
    ]
    return scores, np.array(tops)


def test_one_key_by_hand() -> None:
    """The byte 0x3C is 3 and 12, which stand for 3 - 7.5 = -4.5 and 12 - 7.5 = 4.5. The query (1, 2) has the numbers 1
    and 20 in these directions: 1 * -4.5 + 20 * 4.5, and 100 for the mean key."""
    turn = np.array([[1, 0], [0, 10]], np.float32)
    codes, query = np.array([[0x3C]], np.uint8), np.array([[1, 2]], np.float32)
    scores, top = scored(codes, query, turn, np.array([[100]], np.float32), NONE, 1)
    assert scores.tolist() == [[185.5]]
    assert top.tolist() == [185.5]


@pytest.mark.parametrize(("grain", "blocks"), [(1, 7), (3, 1), (8, 70), (64, 19), (600, 2)])
@pytest.mark.parametrize("groups", [1, 2, 7])
@pytest.mark.parametrize("masked", [False, True])
def test_the_plain_formula(grain: int, blocks: int, groups: int, masked: bool) -> None:
    source, dim, rank = np.random.default_rng(1), 11, 6
    count = grain * blocks
    codes = source.integers(0, 256, (rank // 2, count), dtype=np.uint8)
    query, turn = (source.standard_normal(shape).astype(np.float32) for shape in ((groups, dim), (dim, rank)))
    bases = source.standard_normal((groups, blocks)).astype(np.float32)
    allowed = (source.random(count) < 0.7).astype(np.uint8) if masked else NONE
    got, top = scored(codes, query, turn, bases, allowed, grain)
    numbers = np.concatenate((codes >> 4, codes & 15)).astype(float) - 7.5
    want = query.astype(float) @ turn @ numbers + np.repeat(bases, grain, 1)
    if masked:
        want[:, allowed == 0] = -np.inf
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(top, got.max(1))


def test_where_nothing_may_be_seen_the_top_is_the_lowest_number() -> None:
    turn, codes = np.ones((2, 2), np.float32), np.zeros((1, 4), np.uint8)
    _, top = scored(codes, np.ones((1, 2), np.float32), turn, np.zeros((1, 2), np.float32), np.zeros(4, np.uint8), 2)
    assert top[0] == np.finfo(np.float32).min


def test_scores_of_mean_keys() -> None:
    """Means as halves, of keys and values: (1, -2 | 9) and (0.5, 0 | 9)."""
    means = np.array([[1, -2, 9], [0.5, 0, 9]], np.float16).view(np.int16)
    into = np.empty((2, 2), np.float32)
    judging.based(means, np.array([[1, 1], [3, 1]], np.float32), into)
    assert into.tolist() == [[-1, 0.5], [1, 1.5]]


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3.3e38])
def test_scores_that_may_not_be_finite(number: float) -> None:
    bases = np.array([1, number], np.float32)
    assert judging.lost(bases, np.float32(5), np.array([2, 1]))
    assert not judging.lost(bases, np.float32(5), np.array([2, 0]))  # nobody may see that block
    assert judging.lost(bases[:1], np.float32(number), np.array([2])) == (number != -np.inf)


def test_how_many_keys_of_a_block_may_be_seen() -> None:
    into = np.empty(3, np.int64)
    judging.opened(NONE, 2, into)
    assert into.tolist() == [2, 2, 2]
    judging.opened(np.array([1, 1, 0, 1, 0, 0], np.uint8), 2, into)
    assert into.tolist() == [2, 1, 0]


def test_scores_become_weights() -> None:
    scores = np.array([3, 1, -np.inf, 2], np.float32)
    judging.weighed(scores, np.float32(3))
    assert scores.tolist() == [1, 0.25, 0, 0.5]
    judging.weighed(scores, np.float32(np.nan))
    assert scores.tolist() == [0, 0, 0, 0]
