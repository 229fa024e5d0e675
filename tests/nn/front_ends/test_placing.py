"""Positions along one axis and over a grid: added, handed back, and refused where they do not fit."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn.front_ends.placing import Placing, PlanarPlacing, positions_of
from regard.spec import Learned, ShapeError, Sinusoidal


def test_one_axis() -> None:
    x = torch.randn(2, 3, 4)
    placing = Placing(Learned(5), 4)
    placed, added = placing(x)
    assert torch.equal(added, placing.layer.table[:3])
    assert torch.equal(placed, x + added)
    assert (placing.longest, placing.content) == (5, 1.0)
    plain, nothing = Placing(None, 4)(x)
    assert plain is x
    assert nothing is None
    fixed = Placing(Sinusoidal(), 4)
    assert (fixed.longest, fixed.content) == (None, 2.0)
    assert fixed(x)[1][1].tolist() == pytest.approx([math.sin(1), math.cos(1), math.sin(0.01), math.cos(0.01)])
    with pytest.raises(ShapeError, match=r"positions 0 to 5 were asked for, but Learned\(max_len=5\)"):
        placing(torch.randn(1, 6, 4))


def test_a_grids_first_half_is_the_row_and_the_other_the_column() -> None:
    placing = PlanarPlacing(Learned(3), 6)
    x = torch.zeros(1, 6, 6)
    placed, added = placing(x, (2, 3))
    for token, (row, col) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]):
        want = [*placing.rows.table[row].tolist(), *placing.cols.table[col].tolist()]
        assert placed[0, token].tolist() == want
    assert torch.equal(added, placed[0])
    assert placing.longest == 9
    with pytest.raises(ShapeError, match="positions 0 to 3 were asked for"):
        placing(torch.zeros(1, 4, 6), (1, 4))


def test_sinusoids_over_a_grid_by_hand() -> None:
    _, added = PlanarPlacing(Sinusoidal(), 4)(torch.zeros(1, 6, 4), (2, 3))
    # half of 4 entries is one pair each, of base^0 = 1: (sin row, cos row, sin col, cos col)
    assert added[5].tolist() == pytest.approx([math.sin(1), math.cos(1), math.sin(2), math.cos(2)])
    assert PlanarPlacing(Sinusoidal(), 4).longest is None
    assert not list(PlanarPlacing(Sinusoidal(), 4).parameters())


def test_no_places_at_all_and_dims_that_cannot_be_shared_out() -> None:
    x = torch.randn(1, 6, 3)
    placed, added = PlanarPlacing(None, 3)(x, (2, 3))
    assert placed is x
    assert added is None
    with pytest.raises(ShapeError, match=r"dim=6.*expected a multiple of 4"):
        PlanarPlacing(Sinusoidal(), 6)
    with pytest.raises(ShapeError, match=r"dim=3.*expected a multiple of 2"):
        PlanarPlacing(Learned(4), 3)


def test_positions_take_the_dtype_of_what_they_are_added_to() -> None:
    x = torch.zeros(1, 2, 4, dtype=torch.bfloat16)
    added = positions_of(Placing(Sinusoidal(), 4).layer, 2, x)
    assert added is not None
    assert added.dtype == torch.bfloat16
