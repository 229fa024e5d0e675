"""Copying baselines by hand."""

import pytest

from regard.tasks.baselines.texts import first_sentences, first_words, last_mentioned, typical_length


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It reads mail. It writes mail.", "It reads mail."),
        ("Version 1.2 is out! Get it", "Version 1.2 is out!"),
        ("读邮件。写邮件。", "读邮件。"),
        ("a tool\nfor images\n\nMore text.", "a tool for images"),
        ("no end", "no end"),
        ("", ""),
        ("  Led by spaces. Then", "Led by spaces."),
    ],
)
def test_first_sentence(text, first):
    assert first_sentences([text]) == [first]


def test_first_words():
    assert first_words(["a  b\nc d", "a", ""], 2) == ["a b", "a", ""]


def test_a_typical_summary_is_as_long_as_the_middle_one():
    assert typical_length(["a b", "a", "a b c d", "a b c"]) == 2
    assert typical_length(["", ""]) == 1


ANSWERS = ["kitchen", "garden", "Back Yard", "kitchen", "yard"]


def test_the_place_mentioned_last():
    stories = ["Anna went to the kitchen. Then the garden.", "To the GARDEN, then the kitchen!"]
    assert last_mentioned(stories, ANSWERS) == ["garden", "kitchen"]


def test_a_longer_answer_holds_a_shorter_one():
    assert last_mentioned(["to the back yard", "to the yard"], ANSWERS) == ["Back Yard", "yard"]


def test_parts_of_words_do_not_count():
    assert last_mentioned(["the garden, not the kitchenette"], ANSWERS) == ["garden"]


def test_without_a_mention_it_is_the_usual_answer():
    assert last_mentioned(["nothing here", ""], ANSWERS) == ["kitchen", "kitchen"]
    assert last_mentioned(["a !"], ["!", "!"]) == ["!"]
