import pytest

from regard.lens import grouping
from regard.lens.units import Units
from regard.spec.errors import SpecError

SOURCE = "It doesn't matter, Elinor.\n\nYes"
SPANS = ((0, 0), (0, 2), (2, 7), (7, 10), (10, 14), (14, 17), (17, 18), (18, 21), (21, 25), (25, 28), (28, 31))
TOKENS = ("<bos>", "It", "▁does", "n't", "▁mat", "ter", ",", "▁El", "inor", ".\n\n", "Yes")


@pytest.fixture
def austen():
    return Units(TOKENS, "token", SPANS, SOURCE)


def test_words_by_the_characters_they_cover(austen):
    found = grouping.words(austen)
    assert found.of == (0, 1, 2, 2, 3, 3, 4, 5, 5, 6, 7)
    assert found.units.texts == ("<bos>", "It", "doesn't", "matter", ",", "Elinor", ".", "Yes")
    assert found.units.spans[2:4] == ((3, 10), (11, 17))
    assert (found.units.kind, found.units.source) == ("word", SOURCE)


def test_spans_count_more_than_marks():
    lying = Units(("▁El", "▁inor"), "token", ((0, 2), (2, 6)), "Elinor")
    assert grouping.words(lying).units.texts == ("Elinor",)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        (("<s>", "▁El", "inor", ",", "▁said"), ("<s>", "Elinor", ",", "said")),
        (("▁don", "'", "t"), ("don't",)),
        (("▁caf", "<0xC3>", "<0xA9>", "s"), ("cafés",)),
        (("▁", "x"), (" ", "x")),
        (
            ("<|endoftext|>", "El", "inor", "ĠÃ©", "tÃ", "©", "Ċ", "Yes"),
            ("<|endoftext|>", "Elinor", "été", "\n", "Yes"),
        ),
        (("[CLS]", "el", "##inor", ",", "said", "[SEP]"), ("[CLS]", "elinor", ",", "said", "[SEP]")),
        (("El", "inor", " said"), ("Elinor", "said")),
        (("El", "inor"), ("El", "inor")),
        (("▁东", "京"), ("东", "京")),
        ((), ()),
    ],
)
def test_words_by_their_marks(texts, words):
    assert grouping.words(Units(texts, "token")).units.texts == words


def test_a_token_of_half_a_letter_is_of_the_same_word():
    units = Units(("a", "a"), "token", ((0, 1), (0, 1)), "é")
    assert grouping.words(units).of == (0, 0)


def test_special_and_blank_tokens_stand_alone():
    units = Units(
        ("a", "<sep>", "b", " ", " ", "c"), "token", ((0, 1), (1, 1), (1, 2), (2, 3), (3, 4), (4, 5)), "ab  c"
    )
    assert grouping.words(units).of == (0, 1, 2, 3, 4, 5)


def test_lines(austen):
    found = grouping.lines(austen)
    assert found.of == (0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2)
    assert found.units.texts == ("<bos>", "It doesn't matter, Elinor.", "Yes")
    assert grouping.lines(grouping.words(austen).units).units.texts == found.units.texts


def test_lines_without_spans_break_after_a_break():
    units = Units(("one", "Ġtwo", "Ċ", "Ċ", "three", "Ċ", "four"), "token")
    assert grouping.lines(units).of == (0, 0, 0, 0, 1, 1, 2)
    assert grouping.lines(units).units.texts == ("one two", "three", "four")
    words = grouping.words(units).units
    assert grouping.lines(words).units.texts == ("one two", "three", "four")


def test_a_blank_token_belongs_to_the_line_it_ends():
    units = Units(("a", "\n", "\n", "b"), "token", ((0, 1), (1, 2), (2, 3), (3, 4)), "a\n\nb")
    assert grouping.lines(units).of == (0, 0, 0, 1)
    indented = Units(("a", "\n", " ", "b"), "token", ((0, 1), (1, 2), (2, 3), (3, 4)), "a\n b")
    assert grouping.lines(indented).of == (0, 0, 0, 1)


def test_documents_by_ids():
    units = Units(("<s>", "a", "b", "c"), "token")
    assert grouping.documents(units, ids=[0, 0, 0, 1]).of == (0, 1, 1, 2)
    with pytest.raises(SpecError, match="3 document ids for 4 units"):
        grouping.documents(units, ids=[0, 0, 1])


def test_documents_by_separator():
    special = Units(("a", "b", "</s>", "c"), "token")
    assert grouping.documents(special, separator="</s>").of == (0, 0, 1, 2)
    plain = Units(("a", "b", "***", "c", "d"), "token")
    assert grouping.documents(plain, separator="***").of == (0, 0, 0, 1, 1)
    with pytest.raises(SpecError, match=r"separator='\*': no unit has this text"):
        grouping.documents(plain, separator="*")


@pytest.mark.parametrize("given", [{}, {"ids": [0], "separator": "a"}])
def test_documents_need_one_way_to_tell_them(given):
    with pytest.raises(SpecError, match="needs either ids"):
        grouping.documents(Units(("a",), "token"), **given)


def test_only_what_is_finer_can_be_grouped(austen):
    words = grouping.words(austen).units
    assert grouping.can_group(austen, "word")
    assert not grouping.can_group(words, "word")
    assert grouping.can_group(words, "line")
    assert not grouping.can_group(Units.numbered(3, "patch"), "document")
    with pytest.raises(SpecError, match=r"merged\('page'\): expected one of 'word', 'line', 'document'"):
        grouping.can_group(austen, "page")


def test_alone(austen):
    found = grouping.alone(austen)
    assert (found.of, found.units) == (tuple(range(11)), austen)
