"""SQuAD's exact match and token F1 by hand."""

import pytest

from regard.tasks.scores.short_answers import exact_match, normalised, token_f1


@pytest.mark.parametrize(
    ("text", "same"), [("The  Cat!", "cat"), ("a 10-inch, disc", "10inch disc"), ("theory", "theory"), ("an", "")]
)
def test_normalised(text, same):
    assert normalised(text) == same


def test_exact_match_after_normalisation():
    metric = exact_match(["The kitchen.", "garden", "hall"], ["kitchen", "the garden", "kitchen"], protocol="p")
    assert metric.value == pytest.approx(2 / 3)
    assert metric.protocol == "p|normalised:squad|interval:wilson95"


def test_the_best_of_several_truths_counts():
    assert exact_match.each(["hall"], [["corridor", "hall"]]).tolist() == [1.0]
    assert token_f1.each(["long hall"], [["corridor", "hall"]]) == pytest.approx([2 / 3])


def test_token_f1_by_hand():
    # "red red ball" against "the red ball": 2 words shared of 3 and of 2
    assert token_f1.each(["red red ball"], ["the red ball"]) == pytest.approx([2 * (2 / 3) * 1 / (2 / 3 + 1)])
    assert token_f1.each(["ball red"], ["red ball"]) == pytest.approx([1.0])
    assert token_f1.each(["blue"], ["red"]).tolist() == [0.0]


def test_empty_answers_match_empty_truths_alone():
    assert token_f1.each(["", "the", "x", ""], ["", "a", "", "x"]).tolist() == [1.0, 1.0, 0.0, 0.0]


def test_token_f1_is_no_share():
    assert "bootstrap95" in token_f1(["a b", "c"], ["b", "c"], protocol="p").protocol
