"""ROUGE by hand and beside rouge-score."""

import pytest
from tests.optional_packages import package

from regard.spec.errors import SpecError
from regard.tasks.scores.summaries import rouge


@pytest.fixture
def scorer():
    return package("rouge_score.rouge_scorer", "regard[text]")


@pytest.mark.usefixtures("scorer")
def test_rouge_by_hand():
    # "the cat sat" against "the cat lay down": 2 words of 3 and of 4 shared, 1 pair of 2 and of 3, in order 2
    answers, truths = ["The cat sat."], ["the cat lay down"]
    assert rouge("1").each(answers, truths) == pytest.approx([2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4)])
    assert rouge("2").each(answers, truths) == pytest.approx([2 * (1 / 2) * (1 / 3) / (1 / 2 + 1 / 3)])
    assert rouge("L").each(answers, truths) == pytest.approx([2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4)])


@pytest.mark.usefixtures("scorer")
def test_the_longest_common_subsequence_minds_the_order():
    assert rouge("1").each(["down lay cat the"], ["the cat lay down"]) == pytest.approx([1.0])
    assert rouge("L").each(["down lay cat the"], ["the cat lay down"]) == pytest.approx([1 / 4])


def test_it_is_rouge_scores_own_mean(scorer):
    answers, truths = ["a tool for images", "reads mail", ""], ["an image tool", "reads and writes mail", "nothing"]
    own = scorer.RougeScorer(["rouge2"])
    expected = sum(own.score(t, a)["rouge2"].fmeasure for a, t in zip(answers, truths, strict=True)) / 3
    metric = rouge("2")(answers, truths, protocol="p")
    assert metric.value == pytest.approx(expected)
    assert metric.full_name == "ROUGE-2|p|tokens:a-z0-9|stemmer:no|F1|interval:bootstrap95 over rows"


@pytest.mark.usefixtures("scorer")
def test_other_forms_of_a_word_are_other_words():
    assert rouge("1").each(["images"], ["image"]).tolist() == [0.0]


@pytest.mark.usefixtures("scorer")
def test_without_spaces_characters_count():
    answers, truths = ["我喜欢苹果"], ["他喜欢苹果。"]
    assert rouge("1").each(answers, truths).tolist() == [0.0]  # rouge-score knows a-z only
    assert rouge("1", spaceless=True).each(answers, truths) == pytest.approx([4 / 5])
    assert "tokens:characters" in rouge("1", spaceless=True)(answers, truths, protocol="p").protocol


def test_another_kind_is_refused():
    with pytest.raises(SpecError, match="expected one of 1, 2, L"):
        rouge("W")
