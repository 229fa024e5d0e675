"""Symbols as numbers, and back."""

import pytest

from regard.spec.errors import DataError
from regard.tasks.alphabet import FIRST, Alphabet, alphabet_from, run_alphabet
from regard.tasks.readers.symbols import Sequence
from regard.tasks.sections import SymbolSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Setup


def rows(*texts):
    return [Sequence(number, tuple(text.split() if " " in text else text)) for number, text in enumerate(texts, 1)]


def test_ids_begin_after_the_signs_and_come_back():
    alphabet = alphabet_from(rows("AABA", "CB"))
    assert alphabet == Alphabet(("A", "B", "C"), words=False)
    assert (FIRST, len(alphabet)) == (3, 6)
    assert alphabet.ids(("A", "C", "X", "B")).tolist() == [3, 5, 1, 4]
    assert [alphabet.name(one) for one in range(6)] == ["<padding>", "<unknown>", "<start>", "A", "B", "C"]
    assert alphabet.joined([3, 4, 3]) == "ABA"


def test_rare_symbols_are_left_out_and_the_frequent_stay():
    assert alphabet_from(rows("AABBC"), least=2).names == ("A", "B")
    assert alphabet_from(rows("AAABBC"), size=1).names == ("A",)
    with pytest.raises(DataError, match="none of 2 symbols occurs 2 times or more"):
        alphabet_from(rows("AB"), least=2)


def test_words_are_parted_by_spaces_and_typed_letters_may_be():
    words = alphabet_from(rows("c4 d4 c4"))
    assert words.words
    assert words.joined([3, 4]) == "c4 d4"
    assert words.typed(["c4", "c4 d4"]) == [("c4",), ("c4", "d4")]
    letters = alphabet_from(rows("AC"))
    assert letters.typed(["AC", "A C"]) == [("A", "C"), ("A", "C")]
    with pytest.raises(DataError, match="text 2 of 2 is empty"):
        letters.typed(["A", "  "])


def test_a_run_keeps_it_in_plain_values():
    alphabet = alphabet_from(rows("c4 d4"))
    setup = Setup(Settings(task="symbols", symbols=SymbolSettings()), alphabet.facts)
    assert alphabet.facts == {"symbols": ["c4", "d4"], "words": True, "vocabulary": 5}
    assert run_alphabet(setup) == alphabet
