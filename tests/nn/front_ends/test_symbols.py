"""Symbols to tokens: one each, k-mers around them, words of k letters side by side."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn.front_ends import SymbolFrontEnd
from regard.spec import Learned, ShapeError, Sinusoidal, SpecError

IDS = torch.tensor([[0, 1, 2, 3, 0, 1, 2]])


def test_one_token_a_symbol() -> None:
    front_end = SymbolFrontEnd(4, 6, positions=Learned(7))
    made = front_end(IDS)
    torch.testing.assert_close(made.tokens, front_end.embedding.table[IDS] + front_end.placing.layer.table)
    assert [unit.words() for unit in made.covered(0)][:2] == ["symbol 0", "symbol 1"]
    fixed = SymbolFrontEnd(4, 6, positions=Sinusoidal())
    want = fixed.embedding.table[0] * math.sqrt(6) + torch.tensor([0.0, 1, 0, 1, 0, 1])
    torch.testing.assert_close(fixed(IDS).tokens[0, 0], want)


@pytest.mark.parametrize(
    ("kmer", "stride", "spans"),
    [
        (3, 1, [(0, 2), (0, 3), (1, 4), (2, 5), (3, 6), (4, 7), (5, 7)]),
        (4, 1, [(0, 3), (0, 4), (1, 5), (2, 6), (3, 7), (4, 7), (5, 7)]),
        (3, 3, [(0, 3), (3, 6), (6, 7)]),
        (5, 2, [(0, 4), (1, 6), (3, 7), (5, 7)]),
        (9, 4, [(0, 7), (2, 7)]),
    ],
)
def test_a_token_depends_on_the_symbols_of_its_unit_alone(kmer: int, stride: int, spans: list[tuple[int, int]]) -> None:
    front_end = SymbolFrontEnd(4, 6, kmer=kmer, stride=stride)
    made = front_end(IDS)
    assert [unit.bounds for unit in made.covered(0)] == spans
    for place in range(7):
        other = IDS.clone()
        other[0, place] = (other[0, place] + 1) % 4
        moved = (front_end(other).tokens != made.tokens)[0].any(-1)
        assert moved.tolist() == [start <= place < end for start, end in spans]


@pytest.mark.parametrize(("kmer", "stride"), [(1, 1), (3, 1), (6, 1), (6, 6), (5, 3)])
def test_what_a_sequence_is_padded_to_changes_nothing(kmer: int, stride: int) -> None:
    front_end = SymbolFrontEnd(4, 6, kmer=kmer, stride=stride, positions=Sinusoidal()).eval()
    lengths = list(range(14))
    ids = torch.randint(0, 4, (14, 17))
    made = front_end(ids, torch.tensor(lengths))
    for item, length in enumerate(lengths):
        alone = front_end(ids[item : item + 1, :length])
        assert alone.tokens.shape[1] == math.ceil(length / stride)
        count = int(made.counts[item])
        assert count == alone.tokens.shape[1]
        torch.testing.assert_close(made.tokens[item, :count], alone.tokens[0])
        assert not made.tokens[item, count:].any()
        assert made.covered(item) == alone.covered(0)


def test_the_convolution_by_hand() -> None:
    front_end = SymbolFrontEnd(4, 1, kmer=3)
    assert front_end.convolution is not None
    with torch.no_grad():
        front_end.embedding.table.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
        front_end.convolution.weight.copy_(torch.tensor([[[100.0, 10.0, 1.0]]]))
        front_end.convolution.bias.zero_()  # type: ignore[union-attr]
    # GELU leaves such large numbers as they are
    assert front_end(IDS).tokens.flatten().tolist() == [12, 123, 234, 341, 412, 123, 230]


def test_refusals() -> None:
    with pytest.raises(SpecError, match="symbols between k-mers would be lost"):
        SymbolFrontEnd(4, 6, kmer=2, stride=3)
    with pytest.raises(SpecError, match="kmer=0"):
        SymbolFrontEnd(4, 6, kmer=0)
    front_end = SymbolFrontEnd(4, 6, kmer=3, stride=2, positions=Learned(3))
    assert front_end.longest == 3
    with pytest.raises(ShapeError, match="positions 0 to 3"):
        front_end(IDS)
    with pytest.raises(ShapeError, match=r"lengths\[0\] = 8, but there are 7"):
        front_end(IDS, torch.tensor([8]))
    with pytest.raises(SpecError, match="ids run from 4 to 4"):
        front_end(torch.tensor([[4]]))
