import hashlib
import math

import numpy as np
import pytest

from regard.app.walking import SENTENCE, Numbers, embedding, from_sentence, walk
from regard.app.worked import EXAMPLES, example
from regard.spec import ScaledDot, ShapeError, SpecError


def test_the_default_sentence_has_a_4_by_4_matrix():
    numbers = from_sentence(SENTENCE)
    assert numbers.key_names == ("我", "喜欢", "吃", "苹果")
    taken = walk(numbers)
    assert taken.scores.shape == taken.weights.shape == (4, 4)
    assert np.allclose(taken.scores, taken.scores.T)  # no projections: queries and keys are the same


def test_the_rule_for_a_words_numbers_can_be_followed_by_hand():
    first = hashlib.blake2b("喜欢".encode()).digest()[0]
    assert embedding("喜欢")[0] == round((first - 127.5) / 127.5, 2)
    assert len(embedding("a")) == 4
    assert embedding("a") == embedding("a") != embedding("b")
    assert all(-1 <= value <= 1 for word in "abcdefgh" for value in embedding(word))
    assert "not trained" in from_sentence("a b").notes[0]


def test_every_step_by_hand_on_two_words():
    table = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    taken = walk(Numbers(table, table, table, table, ("a", "b"), ("a", "b"), ScaledDot(), ""))
    assert taken.scores.tolist() == [[0.5, 0.0], [0.0, 2.0]]  # divided by √4
    first = math.exp(0.5) / (math.exp(0.5) + 1)
    second = math.exp(2) / (math.exp(2) + 1)
    assert taken.weights == pytest.approx(np.array([[first, 1 - first], [1 - second, second]]))
    assert taken.context[:, :2] == pytest.approx(np.array([[first, 2 * (1 - first)], [1 - second, 2 * second]]))
    assert taken.output == pytest.approx(table + taken.context)
    assert taken.difference < 1e-12


def test_sizes_that_do_not_fit_are_the_librarys_error():
    one, two = np.ones((1, 2)), np.ones((1, 3))
    with pytest.raises(ShapeError):
        walk(Numbers(one, two, one, None, ("q",), ("k",), ScaledDot(), ""))


def test_a_sentence_without_spaces_is_read_by_characters_and_it_says_so():
    numbers = from_sentence("我喜欢")
    assert numbers.key_names == ("我", "喜", "欢")
    assert "each character is taken as a word" in numbers.notes[1]
    assert from_sentence("hello").key_names == ("hello",)


def test_a_word_that_occurs_twice_is_pointed_out():
    assert any("twice" in note for note in from_sentence("the cat the dog").notes)
    assert len(from_sentence("the cat").notes) == 1


def test_too_many_words_and_none_are_refused():
    with pytest.raises(SpecError, match="17 words, expected at most 16"):
        from_sentence("a " * 17)
    with pytest.raises(SpecError, match="no words"):
        from_sentence("  ")


def test_half():
    taken = walk(example("half"))
    assert taken.weights.tolist() == [[0.5, 0.5]]
    assert taken.context.tolist() == [[1.5]]
    assert taken.output.tolist() == [[2.0]]


def test_cat_dog_pig():
    taken = walk(example("cat-dog-pig"))
    sigmoid = 1 / (1 + math.exp(-1))
    cat = math.exp(sigmoid) / (math.exp(sigmoid) + 2 * math.exp(0.5))
    assert cat == pytest.approx(0.386, abs=5e-4)
    assert np.diag(taken.weights) == pytest.approx([cat] * 3)
    assert taken.weights.sum(-1) == pytest.approx([1, 1, 1])
    first, second = example("cat-dog-pig").remarks
    assert "0.386" in first
    assert ".6 that was published for this example does not follow" in second
    assert "0.576" in second  # e / (e + 2)
    assert math.e / (math.e + 2) == pytest.approx(0.576, abs=5e-4)


def test_examples_by_name():
    assert sorted(EXAMPLES) == ["apples", "cat-dog-pig", "half"]
    assert example("apples").key_names == from_sentence(SENTENCE).key_names
    with pytest.raises(SpecError, match="those there are: apples, cat-dog-pig, half"):
        example("sheep")
