"""The value every front end returns: its mask, its padding, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from regard.nn import Encoder
from regard.nn.front_ends import Tokens
from regard.nn.front_ends.units import Spans
from regard.spec import Padding, ShapeError

UNITS = Spans("token", "tokens")


def test_padding_is_set_to_0_whatever_was_there() -> None:
    x = torch.full((2, 3, 5), float("nan"))
    x[0], x[1, :1] = 1.0, 2.0
    made = Tokens.padded("here", x, torch.tensor([3, 1], dtype=torch.int32), UNITS)
    assert made.tokens.sum((1, 2)).tolist() == [15.0, 10.0]
    assert made.lengths is not None
    assert made.lengths.dtype == torch.int64
    assert made.real.tolist() == [[True, True, True], [True, False, False]]
    assert made.mask == Padding(torch.tensor([3, 1]))
    assert len(made) == 2
    assert [unit.bounds for unit in made.covered(1)] == [(0, 1)]


def test_without_lengths_all_are_full() -> None:
    made = Tokens.padded("here", torch.ones(2, 3, 5), None, UNITS)
    assert made.mask is None
    assert made.counts.tolist() == [3, 3]
    assert bool(made.real.all())
    assert len(made.covered(0)) == 3


def test_the_mask_keeps_a_core_off_the_padding() -> None:
    core = Encoder(6, 2, layers=2).eval()
    x = torch.randn(1, 3, 6)
    padded = Tokens.padded("here", torch.cat((x, torch.randn(1, 4, 6)), 1), torch.tensor([3]), UNITS)
    torch.testing.assert_close(core(padded.tokens, mask=padded.mask)[:, :3], core(x))


def test_what_does_not_fit_is_refused() -> None:
    x = torch.ones(2, 3, 5)
    with pytest.raises(ShapeError, match=r"expected \(batch, len, dim\)"):
        Tokens(x[0], None, UNITS)
    with pytest.raises(ShapeError, match=r"expected a \(2,\) int64 tensor, or None"):
        Tokens(x, torch.tensor([3, 3, 3]), UNITS)
    with pytest.raises(ShapeError, match=r"positions=a float32 tensor of shape \(3, 4\).*expected \(3, 5\) or"):
        Tokens(x, None, UNITS, torch.ones(3, 4))
    with pytest.raises(ShapeError, match=r"here: lengths\[1\] = 4, but there are 3 tokens"):
        Tokens.padded("here", x, torch.tensor([3, 4]), UNITS)
    with pytest.raises(ShapeError, match="here: 1 lengths for a batch of 2"):
        Tokens.padded("here", x, torch.tensor([3]), UNITS)
