import pytest

from regard.lens import Word, heaviest, merge
from regard.lens.words import without
from regard.spec import SpecError


def found(text, tokens):
    return [(word.text, round(word.weight, 6)) for word in merge(text, tokens)]


def test_tokens_inside_a_run_of_letters_are_one_word(piece):
    text = "so elegant!"
    tokens = [piece(0, 2, 0.1), piece(3, 6, 0.2), piece(6, 10, 0.3), piece(10, 11, 0.4)]
    assert found(text, tokens) == [("so", 0.1), ("elegant", 0.5), ("!", 0.4)]


def test_an_apostrophe_and_an_accent_stand_inside_a_word(piece):
    assert found("don't", [piece(0, 3, 0.5), piece(3, 5, 0.5)]) == [("don't", 1.0)]
    spoken = "cafe\u0301s"  # e with a combining accent
    assert found(spoken, [piece(0, 4, 0.25), piece(4, 6, 0.75)]) == [(spoken, 1.0)]


@pytest.mark.parametrize("text", ["苹果好吃", "ตาแมวดำ", "かなかな"])
def test_scripts_without_spaces_keep_their_tokens(text, piece):
    assert found(text, [piece(0, 2, 0.4), piece(2, 4, 0.6)]) == [(text[:2], 0.4), (text[2:4], 0.6)]


def test_signs_are_not_joined_to_words_nor_to_each_other(piece):
    tokens = [piece(0, 3, 0.5), piece(3, 4, 0.25), piece(4, 5, 0.25)]
    assert found("end..", tokens) == [("end", 0.5), (".", 0.25), (".", 0.25)]


def test_two_tokens_on_one_character_are_one_word(piece):
    assert found("ﬁ", [piece(0, 1, 0.5), piece(0, 1, 0.5)]) == [("ﬁ", 1.0)]


def test_no_weight_is_lost(piece):
    text = "unbelievably good, isn't it"
    ends = [2, 8, 12, 17, 18, 22, 24, 27]
    starts = [0, 2, 8, 13, 17, 19, 22, 25]
    tokens = [piece(start, end, 0.125) for start, end in zip(starts, ends, strict=True)]
    words = merge(text, tokens)
    assert [word.text for word in words] == ["unbelievably", "good", ",", "isn't", "it"]
    assert sum(word.weight for word in words) == pytest.approx(1.0)


@pytest.mark.parametrize("tokens", [[(0, 99)], [(3, 2)], [(4, 5), (0, 1)], [(-1, 1)]])
def test_tokens_outside_the_text_or_out_of_order_are_refused(tokens, piece):
    with pytest.raises(SpecError, match="expected tokens in order, inside a text of 5 characters"):
        merge("a b c", [piece(start, end, 1.0) for start, end in tokens])


def test_heaviest_are_sorted_and_equals_keep_their_order():
    words = [Word("a", 0, 1, 0.2), Word("b", 2, 3, 0.5), Word("c", 4, 5, 0.2), Word("d", 6, 7, 0.1)]
    assert [word.text for word in heaviest(words, 3)] == ["b", "a", "c"]
    assert heaviest(words, 0) == ()


def test_without_puts_a_space_where_a_word_stood():
    text = "我喜欢 it<br />now"
    words = [Word("我", 0, 1, 0.1), Word("喜欢", 1, 3, 0.1), Word("it", 4, 6, 0.1), Word("now", 12, 15, 0.1)]
    assert without(text, words, frozenset()) == "我喜欢 it now"
    assert without(text, words, frozenset({1, 2})) == "我    now"
    assert without(text, [], frozenset()) == ""


def test_without_keeps_spaces_and_line_ends():
    words = [Word("a", 1, 2, 0.5), Word("b", 4, 5, 0.5)]
    assert without(" a\n b ", words, frozenset()) == "a\n b"


def test_spoken():
    assert Word("don't", 0, 5, 0.1).spoken
    assert Word("苹", 0, 1, 0.1).spoken
    assert not Word("...", 0, 3, 0.1).spoken
