"""Reading keys, in numbers a person can compute."""

from __future__ import annotations

import numpy as np
import pytest
from tests.focus_ways import needed

needed()

from regard.kernels.compiled import keys  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402


def test_stored_numbers_stand_for_the_middle_of_their_step() -> None:
    rows, into = np.array([[0, 0, 0], [127, 128, 255]], np.uint8), np.empty(3, np.float32)
    keys.decoded(rows, 1, 8, into)
    assert into.tolist() == [-0.5, 0.5, 127.5]


def test_of_four_bits_the_first_half_lies_above() -> None:
    rows, into = np.array([[0x1F, 0x80, 0x07]], np.uint8), np.empty(5, np.float32)
    keys.decoded(rows, 0, 4, into)
    assert into.tolist() == [1 - 7.5, 8 - 7.5, -7.5, 15 - 7.5, -7.5]


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("groups", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 11])
def test_scores_of_rounded_keys(bits: int, groups: int, count: int) -> None:
    source, dim, grain = np.random.default_rng(0), 9, 4
    rows = source.integers(0, 256, (24, 9 if bits == 8 else 5), dtype=np.uint8)
    query, step = source.standard_normal((groups, dim)).astype(np.float32), np.linspace(0.5, 2, dim, dtype=np.float32)
    bases = source.standard_normal((groups, 6)).astype(np.float32)
    picks = np.sort(source.permutation(24)[:count]).astype(np.int32)
    found = np.full((groups, count + 2), 77, np.float32)
    keys.scored(rows, query, step, bases, bits, grain, picks, found)
    for place, key in enumerate(picks):
        numbers = np.empty(dim, np.float32)
        keys.decoded(rows, int(key), bits, numbers)
        wanted = query.astype(float) @ (step * numbers) + bases[:, key // grain]
        np.testing.assert_allclose(found[:, place], wanted, rtol=1e-5, atol=1e-3)
    assert np.all(found[:, count:] == 77)


def best(scores: Array, picks: list[int], wanted: int, first: int = 0) -> list[int]:
    count = scores.shape[1]
    rooms = (*(np.empty(count, np.float32) for _ in range(2)), *(np.empty(count + 1, np.int32) for _ in range(2)))
    into = np.empty(max(1, wanted), np.int32)
    some = keys.best(scores, np.array(picks, np.int32), wanted, first, *rooms, into)
    return into[:some].tolist()


def test_the_best_are_those_of_most_weight_over_the_heads() -> None:
    scores = np.array([[0, 3, 1, 2]], np.float32)
    assert best(scores, [5, 7, 8, 9], 2) == [1, 3]
    assert best(scores, [5, 7, 8, 9], 9) == [0, 1, 2, 3]
    assert best(scores, [5, 7, 8, 9], 0) == []
    two = np.array([[100, 103, 101, 102], [9, 0, 0, 0]], np.float32)  # shares: .07 .53 .13 .27 and .99 .. ..
    assert best(two, [5, 7, 8, 9], 2) == [0, 1]
    assert best(two, [5, 7, 8], 2) == [0, 1]  # of the three that were picked


def test_the_first_keys_are_among_the_best() -> None:
    scores = np.array([[0, 3, 1, 2]], np.float32)
    assert best(scores, [0, 7, 8, 9], 2, first=1) == [0, 1]
    assert best(scores, [0, 1, 2, 9], 2, first=3) == [0, 1]


def test_a_lost_head_has_no_say() -> None:
    scores = np.array([[np.nan, 0, 0, 0], [0, 3, 1, 2]], np.float32)
    assert best(scores, [5, 7, 8, 9], 2) == [1, 3]


def test_what_is_read_is_no_longer_around() -> None:
    weights, around = np.arange(8, dtype=np.float32)[None], np.empty((1, 4), np.float32)
    keys.left(weights, np.array([1, 4, 5], np.int32), np.array([2, 2, 2, 1]), 2, around)
    assert around.tolist() == [[0, 5, 0, 0]]  # 0 + 0, 2 + 3, nothing, and a block that may be seen in part
