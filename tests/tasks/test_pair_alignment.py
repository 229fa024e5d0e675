"""From symbols to words: which symbols write a word, and what a word's weights are."""

import pytest
import torch

from regard.spec.errors import SpecError
from regard.tasks.explained import Alignment
from regard.tasks.pair_alignment import _mean, _sum, words_of
from regard.tasks.text_symbols import train_symbols


@pytest.fixture(scope="module")
def letters():
    """Byte-level symbols with no merges: every byte is one."""
    return train_symbols(["ab"], kind="subwords", size=10, least=100)


def test_symbols_of_one_word_are_one_word(letters):
    ids = letters.encode("ab, c").ids
    assert len(ids) == 5
    words, places = words_of(letters, ids)
    assert words == ("ab", ",", "␣", "c")  # a space that is a symbol of its own
    assert places == [0, 0, 1, 2, 3]


def test_a_space_in_front_belongs_to_its_word():
    symbols = train_symbols(["ab cd ab cd"] * 3, kind="subwords", size=300, least=1)
    ids = symbols.encode("ab cd").ids
    assert len(ids) == 2
    assert words_of(symbols, ids) == (("ab", "cd"), [0, 1])


def test_the_bytes_of_one_character_are_one_word(letters):
    ids = letters.encode("三四").ids
    assert len(ids) == 6
    assert words_of(letters, ids) == (("三", "四"), [0, 0, 0, 1, 1, 1])
    assert words_of(letters, ids[:4])[1] == [0, 0, 0, 1]  # cut inside a character


def test_a_words_weight_is_the_sum_over_its_symbols_and_the_mean_over_those_that_write_it():
    weights = torch.tensor([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]])
    summed = _sum(weights, [0, 0, 1], 2)
    assert torch.allclose(summed, torch.tensor([[0.3, 0.7], [1.0, 0.0]]))
    assert torch.allclose(_mean(summed, [0, 0], 1), torch.tensor([[0.65, 0.35]]))


def test_an_alignment_has_a_row_for_each_piece():
    with pytest.raises(SpecError, match="2 pieces and 1 rows of weights"):
        Alignment(("a", "b"), ((1.0,),))
    with pytest.raises(SpecError, match="one row of one length for each"):
        Alignment(("a", "b"), ((1.0,), (0.5, 0.5)))
