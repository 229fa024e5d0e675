import pytest

from regard.lens.pieces import Pieces, is_named


@pytest.mark.parametrize("text", ["<s>", "</s>", "<|endoftext|>", " <pad> ", "[CLS]", "[MASK]", "[UNK0]"])
def test_names_of_tokens(text):
    assert is_named(text)


@pytest.mark.parametrize("text", ["", "s", "<", "a<b>", "[cls]", "<a b>", "<0xE2>", "[C]", "<>"])
def test_texts_that_are_no_names(text):
    assert not is_named(text)


@pytest.mark.parametrize(
    ("texts", "style", "together"),
    [
        (("▁El", "inor", "▁said"), "space", " Elinor said"),
        (("▁", "<0xE2>", "<0x82>", "<0xAC>", "!"), "space", " €!"),
        (("El", "inor", "Ġsaid", "Ċ"), "byte", "Elinor said\n"),
        (("ĠÃ©", "tÃ", "©"), "byte", " été"),
        (("El", "##inor", "said"), "inside", "Elinor said"),
        (("##inor", "said"), "inside", "inor said"),
        (("El", "inor", " said"), "plain", "Elinor said"),
        (("##", "a"), "plain", "##a"),
    ],
)
def test_styles_and_what_pieces_say(texts, style, together):
    pieces = Pieces.of(texts)
    assert pieces.style == style
    assert pieces.text(range(len(texts))) == together


def test_a_letter_of_the_byte_alphabet_in_plain_text_is_no_mark():
    assert Pieces.of(("Ġ", "漢字")).style == "plain"  # the second is not in the alphabet


def test_the_byte_alphabet_is_whole():
    every = bytes(range(256))
    letters = {
        byte: letter for letter, byte in __import__("regard.lens.pieces", fromlist=["_LETTERS"])._LETTERS.items()
    }
    assert sorted(letters) == list(every)
    assert [letters[byte] for byte in b" \n!~"] == ["Ġ", "Ċ", "!", "~"]
    assert [ord(letters[byte]) for byte in (0x00, 0x7F, 0xA0, 0xAD)] == [256, 256 + 33, 256 + 66, 256 + 67]


def test_which_pieces_begin_inside_a_word_or_a_letter():
    byte = Pieces.of(("Ġa", "b", "Ã", "©"))
    assert [byte.begins_inside(place) for place in range(4)] == [False, True, True, True]
    assert [byte.splits_a_letter(place) for place in range(4)] == [False, False, False, True]
    space = Pieces.of(("▁a", "b", "<0xC3>", "<0xA9>", "\n"))
    assert [space.begins_inside(place) for place in range(5)] == [False, True, True, True, False]
    assert [space.splits_a_letter(place) for place in range(5)] == [False, False, False, True, False]


def test_without_any_mark_every_piece_is_a_word():
    assert not Pieces.of(("El", "inor")).marks_words()
    assert Pieces.of(("El", " inor")).marks_words()
    assert Pieces.of(("El", "##inor")).marks_words()


def test_a_named_token_among_bytes_is_left_as_it_is():
    pieces = Pieces.of(("<|im_end|>", "Ġa"))
    assert pieces.style == "byte"
    assert pieces.text([0]) == "<|im_end|>"
