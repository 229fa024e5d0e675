"""Text: what `TokenEmbedding` gives, padding set to 0, positions handed back."""

from __future__ import annotations

import pytest
import torch

from regard.nn import TokenEmbedding
from regard.nn.front_ends import TextFrontEnd
from regard.spec import Learned, ShapeError, Sinusoidal, SpecError

IDS = torch.tensor([[3, 1, 4], [1, 5, 10]])


def test_it_is_the_embedding_with_padding_at_0() -> None:
    front_end = TextFrontEnd(TokenEmbedding(11, 6, positions=Learned(7)))
    made = front_end(IDS, torch.tensor([3, 1]))
    plain = front_end.embedding(IDS)
    assert torch.equal(made.tokens[0], plain[0])
    assert torch.equal(made.tokens[1, :1], plain[1, :1])
    assert not made.tokens[1, 1:].any()
    assert torch.equal(made.positions, front_end.embedding.positions.table[:3])
    assert [unit.words() for unit in made.covered(1)] == ["token 0"]
    assert (front_end.dim, front_end.longest) == (6, 7)


def test_from_a_start_on_when_decoding() -> None:
    for positions in (Learned(7), Sinusoidal()):
        front_end = TextFrontEnd(TokenEmbedding(11, 6, positions=positions))
        later = front_end(IDS[:, 2:], start=2)
        torch.testing.assert_close(later.tokens, front_end(IDS).tokens[:, 2:])
        torch.testing.assert_close(later.positions, front_end(IDS).positions[2:])


def test_without_positions_they_are_left_to_the_core() -> None:
    front_end = TextFrontEnd(TokenEmbedding(11, 6))
    assert front_end(IDS).positions is None
    assert front_end(IDS).lengths is None
    assert front_end.longest is None


def test_no_token_and_bad_ones() -> None:
    front_end = TextFrontEnd(TokenEmbedding(11, 6, positions=Learned(3)))
    assert front_end(IDS[:, :0]).tokens.shape == (2, 0, 6)
    assert not front_end(IDS, torch.tensor([0, 0])).tokens.any()
    with pytest.raises(SpecError, match="ids run from 3 to 11, but the vocabulary has ids 0 to 10"):
        front_end(torch.tensor([[3, 11]]))
    with pytest.raises(ShapeError, match=r"TextFrontEnd: lengths\[0\] = 4, but there are 3 tokens"):
        front_end(IDS, torch.tensor([4, 1]))
    with pytest.raises(ShapeError, match="positions 0 to 3"):
        front_end(torch.zeros(1, 4, dtype=torch.int64))
    with pytest.raises(SpecError, match=r"expected a TokenEmbedding\(vocab, dim\)"):
        TextFrontEnd(torch.nn.Embedding(11, 6))  # type: ignore[arg-type]
