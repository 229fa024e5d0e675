"""Baselines on rows where the right answer is plain."""

from regard.tasks.baseline import majority, tfidf
from regard.tasks.table import Row

LABELS = ("bad", "good")


def rows(*pairs):
    return [Row(number, text, label) for number, (text, label) in enumerate(pairs, 1)]


def test_majority_is_the_most_frequent_training_label():
    train = rows(("a", "good"), ("b", "good"), ("c", "bad"))
    baseline = majority(train, rows(("x", "bad"), ("y", "bad")), LABELS)
    assert baseline.answers.tolist() == [1, 1]
    assert baseline.name == "always 'good'"


def test_majority_of_equal_labels_is_the_first_by_name():
    assert majority(rows(("a", "good"), ("b", "bad")), rows(("x", "bad")), LABELS).answers.tolist() == [0]


def test_tfidf_learns_the_word_that_decides():
    train = rows(*[("a fine film", "good"), ("a dull film", "bad")] * 5)
    baseline = tfidf(train, rows(("fine", "good"), ("so dull", "bad")), LABELS, spaceless=False)
    assert baseline.answers.tolist() == [1, 0]
    assert baseline.name == "TF-IDF of words + logistic regression"


def test_tfidf_of_characters_needs_no_spaces():
    train = rows(*[("我喜欢苹果", "good"), ("我讨厌苹果", "bad")] * 5)
    test = rows(("他喜欢面", "good"), ("他讨厌面", "bad"))
    assert tfidf(train, test, LABELS, spaceless=True).answers.tolist() == [1, 0]
