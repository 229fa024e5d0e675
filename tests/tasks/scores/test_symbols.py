"""Bits, perplexity and accuracy of symbols by hand."""

import numpy as np
import pytest

from regard.spec.errors import DataError
from regard.tasks.scores.symbols import bits_per, perplexity, token_accuracy


def logs(*shares):
    return np.log(np.array(shares))


def test_bits_by_hand():
    # 1 + 2 bits in one row, 3 in the other: 6 bits over 3 symbols
    metric = bits_per()([logs(1 / 2, 1 / 4), logs(1 / 8)], [[0, 1], [2]], protocol="p")
    assert metric.value == pytest.approx(2.0)
    assert (metric.name, metric.better) == ("bits per symbol", "lower")


def test_bits_per_character_of_subwords():
    metric = bits_per("character")([logs(1 / 4, 1 / 4)], ["abcdefgh"], protocol="p")
    assert metric.value == pytest.approx(4 / 8)
    assert metric.name == "bits per character"


def test_a_fair_guess_among_n_has_perplexity_n():
    metric = perplexity([logs(*[1 / 7] * 3), logs(*[1 / 7] * 5)], ["abc", "defgh"], protocol="p")
    assert metric.value == pytest.approx(7.0)
    assert (metric.low, metric.high) == pytest.approx((7.0, 7.0))


def test_perplexity_is_2_to_the_bits():
    answers, truths = [logs(0.3, 0.2, 0.9), logs(0.5)], ["abc", "d"]
    assert perplexity(answers, truths, protocol="p").value == pytest.approx(
        2 ** bits_per()(answers, truths, protocol="p").value
    )


def test_token_accuracy_counts_tokens_not_rows():
    metric = token_accuracy([np.array([1, 2, 3]), np.array([9])], [np.array([1, 2, 0]), np.array([9])], protocol="p")
    assert metric.value == 3 / 4
    assert metric.better == "higher"


def test_rows_without_symbols_count_for_nothing():
    assert bits_per()([logs(), logs(0.5)], ["", "a"], protocol="p").value == pytest.approx(1.0)


def test_float32_a_hair_above_certainty_is_still_certain():
    assert bits_per()([np.array([1e-6], dtype=np.float32)], ["a"], protocol="p").value == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("value", [-np.inf, np.nan, 0.5])
def test_what_is_no_log_probability_is_refused_by_row(value):
    for measure in (bits_per(), perplexity):
        with pytest.raises(DataError, match=r"answer 1 .* log-probability"):
            measure([logs(0.5), np.array([value])], ["a", "b"], protocol="p")


def test_lengths_have_to_fit():
    with pytest.raises(DataError, match=r"answer 0 .* is 1 long and its truth 2"):
        bits_per()([logs(0.5)], ["ab"], protocol="p")
    with pytest.raises(DataError, match="all 1 truths are empty"):
        token_accuracy([[]], [[]], protocol="p")
