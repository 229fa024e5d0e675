from pathlib import Path
from types import SimpleNamespace

import pytest

from regard.app.explaining import read
from regard.lens.words import without
from regard.train.run import load_run


@pytest.fixture(scope="module")
def run(trained):
    return load_run(trained)


def test_words_weigh_together_what_tokens_do(run):
    found = read(run, "The acting isn't wooden, it is superb!")
    assert sum(word.weight for word in found.words) == pytest.approx(1, abs=1e-5)
    assert [word.text for word in found.words] == ["The", "acting", "isn't", "wooden", ",", "it", "is", "superb", "!"]


@pytest.mark.parametrize("text", ["A warm film.<br /><br />Great fun, no bore.", "one two " * 300, "ﬁne—film: 10/10"])
def test_what_is_left_after_removing_nothing_is_read_as_the_whole_text_is(text, run):
    reading = read(run, text)
    assert reading.removal.before == pytest.approx(reading.probability, abs=1e-6)
    kept = without(text, reading.words, frozenset())
    assert len(run.predict([kept])[0].tokens) == len(run.predict([text])[0].tokens)


def test_the_checks_numbers_can_be_had_by_hand(run):
    text = "superb acting, dull ending"
    reading = read(run, text, count=1)
    (word,) = [word for word in reading.words if word.text == reading.removal.removed[0]]
    by_hand = text[: word.start] + " " + text[word.end :]
    assert reading.removal.after_heaviest == pytest.approx(dict(run.predict([by_hand])[0].probabilities)[reading.label])


class Turncoat:
    """Says good (.9) while the word fine is there, and else bad (.8)."""

    folder, task = Path("x"), SimpleNamespace(name="t")
    settings = SimpleNamespace(core=SimpleNamespace(kind="k", budget=1))

    def predict(self, texts):
        return tuple(self.answer("fine" in text) for text in texts)

    def answer(self, fine):
        ranked = (("good", 0.9), ("bad", 0.1)) if fine else (("bad", 0.8), ("good", 0.2))
        tokens = (SimpleNamespace(start=0, end=4, weight=0.7), SimpleNamespace(start=5, end=9, weight=0.3))
        return SimpleNamespace(
            label=ranked[0][0], probability=ranked[0][1], probabilities=ranked, tokens=tokens, unread=0
        )


def test_the_check_follows_the_first_answer_even_if_the_answer_turns():
    removal = read(Turncoat(), "fine film").removal
    assert (removal.label, removal.before, removal.after_heaviest) == ("good", 0.9, 0.2)


def test_the_reading_says_which_model_read(run):
    assert read(run, "fine").model == "Read by the bilstm of the run 'reviews', task classify"
