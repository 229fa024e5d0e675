import pytest

from regard.lens import Word, removal_check

TEXT = "good film , no bad one"
WORDS = [
    Word("good", 0, 4, 0.4),
    Word("film", 5, 9, 0.1),
    Word(",", 10, 11, 0.3),
    Word("no", 12, 14, 0.05),
    Word("bad", 15, 18, 0.05),
    Word("one", 19, 22, 0.1),
]


class Model:
    """P(good) = .9 while the word good is in the text, else .2; keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked = list(texts)
        return [0.9 if "good" in text else 0.2 for text in texts]


def test_the_numbers_are_the_models():
    model = Model()
    check = removal_check(TEXT, WORDS, model, label="good", count=1)
    assert (check.removed, check.before, check.after_heaviest) == (("good",), 0.9, 0.2)
    assert len(check.after_random) == 20
    dropped = sum("good" not in text for text in model.asked[2:])
    assert 0 < dropped < 20
    assert check.random_mean == pytest.approx((0.2 * dropped + 0.9 * (20 - dropped)) / 20)
    assert check.as_low == dropped


def test_signs_are_never_removed_though_they_weigh():
    model = Model()
    check = removal_check(TEXT, WORDS, model, label="good", count=2)
    assert check.removed == ("good", "film")  # not the comma of .3
    assert all("," in text for text in model.asked)


def test_random_draws_remove_as_many_words_and_depend_on_the_seed_alone():
    first, again, other = Model(), Model(), Model()
    for model, seed in ((first, 1), (again, 1), (other, 2)):
        removal_check(TEXT, WORDS, model, label="good", count=2, seed=seed)
    assert first.asked == again.asked != other.asked
    assert [len(text.split()) for text in first.asked] == [6] + [4] * 21


def test_at_most_half_of_the_words_are_removed():
    check = removal_check(TEXT, WORDS, Model(), label="good", count=99)
    assert len(check.removed) == 2  # five words with letters


@pytest.mark.parametrize("words", [[], WORDS[:1], [WORDS[0], WORDS[2]]])
def test_no_check_below_two_words(words):
    assert removal_check(TEXT, words, Model(), label="good") is None


def test_lines_say_how_many_words_and_draws():
    lines = removal_check(TEXT, WORDS, Model(), label="good", count=1, draws=4).lines()
    assert lines[0] == "probability of 'good' as read: 0.900"
    assert lines[1] == "without the 1 heaviest word (good): 0.200"
    assert "without 1 random word: " in lines[2]
    assert "4 draws" in lines[2]
