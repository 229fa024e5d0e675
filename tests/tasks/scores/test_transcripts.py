"""Error rates by hand and beside jiwer's own."""

import pytest
from tests.optional_packages import package

from regard.spec.errors import DataError
from regard.tasks.scores.transcripts import SPOKEN, character_errors, word_errors


@pytest.fixture
def jiwer():
    return package("jiwer", "regard[audio]")


@pytest.mark.usefixtures("jiwer")
def test_word_errors_by_hand():
    # one replaced of three; one left out and one put in of two: 3 wrong of 5, all rows together
    metric = word_errors()(["the cat sit", "be not"], ["the cat sat", "to be"], protocol="p")
    assert metric.value == pytest.approx(3 / 5)
    assert metric.better == "lower"
    assert metric.protocol == "p|text:as-written|interval:bootstrap95 over rows"


def test_both_are_jiwers_own(jiwer):
    answers = ["the  cat sit", "be not", "", "all of it and more"]
    truths = ["the cat sat", "to be", "silence here", "all of it"]
    assert word_errors()(answers, truths, protocol="p").value == pytest.approx(jiwer.wer(truths, answers))
    plain = [" ".join(text.split()) for text in answers]
    assert character_errors()(answers, truths, protocol="p").value == pytest.approx(jiwer.cer(truths, plain))


@pytest.mark.usefixtures("jiwer")
def test_an_error_rate_may_exceed_1():
    assert word_errors()(["a b c"], ["x"], protocol="p").value == 3.0


@pytest.mark.usefixtures("jiwer")
def test_what_cannot_be_heard_is_left_out_when_asked_and_said():
    answers, truths = ["the callers number", "thank you"], ["The caller's number.", "Thank You!"]
    assert word_errors()(answers, truths, protocol="p").value == pytest.approx(5 / 5)
    metric = word_errors(SPOKEN)(answers, truths, protocol="p")
    assert metric.value == pytest.approx(1 / 5)  # caller's
    assert "text:spoken" in metric.protocol


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("Don\N{RIGHT SINGLE QUOTATION MARK}t 'stop'!", "don't stop"),
        ("Éclair, naïve…", "éclair naïve"),
        ("Привет!", "привет"),
    ],
)
def test_spoken(text, heard):
    assert SPOKEN.read(text) == heard


@pytest.mark.usefixtures("jiwer")
@pytest.mark.parametrize("measure", [word_errors(), character_errors()], ids=["WER", "CER"])
def test_an_empty_truth_is_refused_by_row(measure):
    with pytest.raises(DataError, match=r"answer 1 .* is empty"):
        measure(["a", "b"], ["a", "  "], protocol="p")


@pytest.mark.usefixtures("jiwer")
def test_fewer_errors_are_a_gain():
    truths = ["one two three"] * 10
    metric = word_errors().gain(truths, ["one two four"] * 10, truths, protocol="p")
    assert (metric.value, metric.low, metric.high) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
