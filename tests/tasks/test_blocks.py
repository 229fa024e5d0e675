"""Long sequences in blocks: every symbol is told once, from enough before it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regard.tasks.blocks import Blocks, beginnings, cut


def as_blocks(texts, *, longest, stride):
    """Texts of symbols from 10 on; 2 stands before each."""
    cuts = cut([len(text) for text in texts], longest=longest, stride=stride)
    flat = np.array([symbol for text in texts for symbol in (2, *text)], dtype=np.int32)
    return Blocks(flat, cuts.begins, cuts.ends, cuts.skipped, None), cuts


def test_blocks_of_one_text_by_hand():
    blocks, cuts = as_blocks([[10, 11, 12, 13, 14]], longest=4, stride=2)
    batch = blocks.batch(np.arange(3))
    told = [row[scored].tolist() for row, scored in zip(batch.targets, batch.scored, strict=True)]
    assert told == [[10, 11], [12, 13], [14]]
    assert batch.ids[0, :2].tolist() == [2, 10]
    assert batch.ids[1].tolist() == [2, 10, 11, 12]
    assert batch.ids[2].tolist()[: int(batch.lengths[2])] == [10, 11, 12, 13]
    assert (batch.tokens, batch.places) == (10, 12)
    assert list(zip(cuts.texts, cuts.first, cuts.last, strict=True)) == [(0, 0, 2), (0, 2, 4), (0, 4, 5)]


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    longest=st.integers(2, 12),
    share=st.integers(1, 3),
)
def test_every_symbol_is_told_once_and_after_what_stood_before_it(lengths, longest, share):
    texts = [[100 * (1 + text) + place for place in range(length)] for text, length in enumerate(lengths)]
    stride = max(1, longest // share)
    blocks, _ = as_blocks(texts, longest=longest, stride=stride)
    batch = blocks.batch(np.arange(len(blocks)))
    told = [symbol for row, scored in zip(batch.targets, batch.scored, strict=True) for symbol in row[scored].tolist()]
    assert told == [symbol for text in texts for symbol in text]
    for ids, targets, length in zip(batch.ids.tolist(), batch.targets.tolist(), batch.lengths.tolist(), strict=True):
        assert length <= longest
        assert ids[1:length] == targets[: length - 1]  # it reads what it has told
    first = [int(np.flatnonzero(scored)[0]) for scored in batch.scored.numpy()]
    for ids, place in zip(batch.ids.tolist(), first, strict=True):
        assert place >= longest - stride or ids[0] == 2  # enough before it, or the start of its text


@pytest.mark.parametrize("symbols", [1, 4, 5])
def test_a_text_that_fits_is_one_block(symbols):
    blocks, _ = as_blocks([list(range(10, 10 + symbols))], longest=5, stride=5)
    assert len(blocks) == 1
    assert blocks.lengths.tolist() == [symbols]


def test_beginnings_are_the_last_symbols_and_nothing_of_them_is_scored():
    part = beginnings([np.array([5, 6], dtype=np.int32), np.array([7, 8, 9], dtype=np.int32)], start=2, longest=3)
    batch = part.batch(np.arange(2))
    assert batch.ids.tolist() == [[2, 5, 6], [7, 8, 9]]
    assert batch.lengths.tolist() == [3, 3]
    assert not batch.scored.any()
