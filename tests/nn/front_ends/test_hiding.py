"""Hidden tokens: as many as asked for, real ones only, any as likely as another, their places still to be seen."""

from __future__ import annotations

import pytest
import torch

from regard.nn import TokenEmbedding
from regard.nn.front_ends import Hiding, PatchFrontEnd, TextFrontEnd, Tokens
from regard.nn.front_ends.units import Spans
from regard.spec import Learned, ShapeError, SpecError

UNITS = Spans("token", "tokens")


def plain(lengths: list[int], longest: int, dim: int = 4) -> Tokens:
    return Tokens.padded("here", torch.randn(len(lengths), longest, dim), torch.tensor(lengths), UNITS)


@pytest.mark.parametrize(
    ("share", "want"), [(0.15, [3, 2, 1, 1, 0]), (0.5, [10, 5, 4, 1, 0]), (1.0, [20, 10, 8, 1, 0])]
)
def test_a_fixed_number_of_each_items_real_tokens(share: float, want: list[int]) -> None:
    tokens = plain([20, 10, 8, 1, 0], 23)
    hidden = Hiding(4)
    made, places = hidden(tokens, share)
    assert places.sum(1).tolist() == want
    assert not (places & ~tokens.real).any()
    assert torch.equal(made.tokens[~places], tokens.tokens[~places])
    assert torch.equal(made.tokens[places], hidden.vector.expand(sum(want), 4))
    assert made.lengths is tokens.lengths


def test_every_place_is_as_likely() -> None:
    _, places = Hiding(4)(plain([5] * 2000, 7), 0.4, torch.Generator().manual_seed(1))
    counts = places.sum(0).tolist()
    assert counts[5:] == [0, 0]
    assert all(abs(count - 800) < 110 for count in counts[:5])  # deviation 22


def test_one_seed_one_choice() -> None:
    tokens, hidden = plain([9, 9], 9), Hiding(4)
    first = hidden(tokens, 0.3, torch.Generator().manual_seed(1))[1]
    assert torch.equal(first, hidden(tokens, 0.3, torch.Generator().manual_seed(1))[1])
    torch.manual_seed(1)
    assert torch.equal(first, hidden(tokens, 0.3)[1])


def test_where_a_hidden_token_stands_remains_to_be_seen() -> None:
    hidden = Hiding(6)
    text = TextFrontEnd(TokenEmbedding(11, 6, positions=Learned(7)))
    made, places = hidden(text(torch.randint(0, 11, (2, 7))), 1.0)
    assert bool(places.all())
    torch.testing.assert_close(made.tokens[0], hidden.vector + text.embedding.positions.table)
    picture = PatchFrontEnd(6, 2, positions=Learned(3))
    tokens = picture(torch.randn(2, 1, 6, 4))
    made, places = hidden(tokens, 0.75)
    assert places.sum(1).tolist() == [5, 5]  # 4.5 of 6
    assert tokens.positions is not None
    torch.testing.assert_close(made.tokens[places], (hidden.vector + tokens.positions).expand(2, 6, 6)[places])
    assert made.units is tokens.units


def test_what_was_hidden_has_no_influence_and_the_vector_learns() -> None:
    hidden = Hiding(4)
    tokens = plain([5, 5], 5)
    tokens.tokens.requires_grad_()
    made, places = hidden(tokens, 0.4)
    made.tokens.square().sum().backward()
    assert tokens.tokens.grad is not None
    assert not tokens.tokens.grad[places].any()
    assert bool(tokens.tokens.grad[~places].all())
    assert hidden.vector.grad is not None
    torch.testing.assert_close(hidden.vector.grad, 2 * 4 * hidden.vector.detach())


def test_refusals() -> None:
    tokens = plain([3], 3)
    for share in (0.0, 1.5, float("nan"), True):
        with pytest.raises(SpecError, match="expected a share of the tokens, above 0 and at most 1"):
            Hiding(4)(tokens, share)
    with pytest.raises(ShapeError, match="it was built for dim 5"):
        Hiding(5)(tokens, 0.5)
    with pytest.raises(SpecError, match="dim=0"):
        Hiding(0)
