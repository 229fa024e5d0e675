"""Reading values, in numbers a person can compute."""

from __future__ import annotations

import numpy as np
import pytest
from tests.focus_ways import needed

needed()

from regard.kernels.compiled import values  # noqa: E402
from regard.kernels.compiled.compiler import Array  # noqa: E402

NONE = np.empty(0, np.uint8)
# two blocks of two keys; of the means (key | value) the value's part is (1, 2) and (10, 20)
MEANS = np.array([[9, 1, 2], [9, 10, 20]], np.float16).view(np.int16)


def floats(*numbers: float) -> Array:
    return np.array(numbers, np.float32)


def test_keys_as_they_are_take_the_place_of_rounded_ones() -> None:
    scores = floats(5, 6, 7)
    values.reread(floats(1, 2), np.array([[1, 1], [0, 3]], np.float32), np.array([0, 2], np.int32), scores)
    assert scores.tolist() == [3, 6, 6]


def test_keys_behind_the_sketch() -> None:
    rows, scores = np.array([[1, 1], [0, 3]], np.float32), np.empty(2, np.float32)
    values.late(floats(1, 2), rows, NONE, scores)
    assert scores.tolist() == [3, 6]
    values.late(floats(1, 2), rows, np.array([0, 1], np.uint8), scores)
    assert scores.tolist() == [-np.inf, 6]


def test_a_block_that_was_read_in_part() -> None:
    """Key 1 of block 0 weighs 3 and was read, key 0 weighs 1 and was not; block 1 weighs 4. On the means: 3 + 1 times
    (1, 2), 4 times (10, 20). What key 1 is beyond its mean counts 3 - 1 / (2 - 1) = 2 times: key 0 is as far below."""
    inside, output = floats(3, 77), np.zeros(2, np.float32)
    values.averaged(inside, floats(1, 4), np.array([1], np.int32), MEANS, 2, output)
    assert output.tolist() == [44, 88]
    assert inside.tolist() == [2, 77]


def test_a_block_that_was_read_whole() -> None:
    inside, output = floats(3, 5, 7), np.zeros(2, np.float32)
    values.averaged(inside, floats(0, 0), np.array([0, 1, 3], np.int32), MEANS, 2, output)
    assert output.tolist() == [8 + 70, 16 + 140]
    assert inside.tolist() == [3, 5, 7]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 8, 11])
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("bits", [4, 8])
def test_what_rounded_values_are_beyond_their_means(bits: int, groups: int, count: int) -> None:
    source = np.random.default_rng(0)
    stored = source.integers(0, 256, (20, 6 if bits == 8 else 3), dtype=np.uint8)
    weights, step = source.random((groups, count + 1), dtype=np.float32), np.linspace(1, 2, 6, dtype=np.float32)
    picks, output = np.sort(source.permutation(20)[:count]).astype(np.int32), np.ones((groups, 6), np.float32)
    values.beyond(weights, picks, stored, step, bits, output)
    numbers = stored[picks] - 127.5 if bits == 8 else np.concatenate((stored >> 4, stored & 15), 1)[picks] - 7.5
    np.testing.assert_allclose(output, 1 + weights[:, :count].astype(float) @ numbers * step, rtol=1e-5, atol=1e-4)


def test_what_values_as_they_are_are_beyond_their_means() -> None:
    exact, output = np.array([[2, 2], [10, 25]], np.float32), np.zeros((2, 2), np.float32)
    weights = np.array([[1, 2], [0, 1]], np.float32)
    values.residual(weights, np.array([1, 2], np.int32), exact, MEANS, 2, output)
    assert output.tolist() == [[1, 10], [0, 5]]  # (1, 0) + 2 (0, 5); (0, 5)


def test_the_best_are_put_right() -> None:
    """Stored as 128 and 129, key 3 is rounded to (10, 20) + (.5, 1.5) * (2, 2) = (11, 23); it is (12, 20)."""
    stored, output = np.array([[0, 0], [0, 0], [0, 0], [128, 129]], np.uint8), np.zeros((1, 2), np.float32)
    inside, again, picks = np.array([[7, 3]], np.float32), np.array([1], np.int32), np.array([0, 3], np.int32)
    exact = np.array([[12, 20]], np.float32)
    values.corrected(inside, again, picks, stored, MEANS, exact, floats(2, 2), 8, 2, output)
    assert output.tolist() == [[3, -9]]


def test_values_behind_the_sketch_and_what_may_not_be_seen() -> None:
    output = floats(1, 1)
    values.behind(floats(2, 0), np.array([[1, 2], [np.inf, np.nan]], np.float32), output)
    assert output.tolist() == [3, 5]


def test_a_sum_becomes_a_mean() -> None:
    output = floats(8, 4)
    assert values.finished(output, np.float32(8), np.float32(5)) == 8  # log2 of 8 * 2^5
    assert output.tolist() == [1, 0.5]


def test_no_weight_at_all_and_a_lost_head() -> None:
    output = floats(0, 0)
    assert values.finished(output, np.float32(0), np.finfo(np.float32).min) == -np.inf
    assert output.tolist() == [0, 0]
    assert np.isnan(values.finished(output, np.float32(1), np.float32(np.nan)))
    assert np.isnan(output).all()


def test_weights_of_scores_and_of_blocks() -> None:
    scores, around = floats(3, -np.inf, 1), floats(1, 2)
    values.shared(scores, np.float32(3))
    assert scores.tolist() == [1, 0, 0.25]
    values.scaled(around, np.float32(0.5))
    assert around.tolist() == [0.5, 1]
