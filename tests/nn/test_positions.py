"""Positions as layers: the table's rows, and what turning does to dot products."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn import LearnedPositions, SinusoidalPositions, rotate
from regard.spec import Learned, Rotary, Sinusoidal


def test_a_quarter_turn_by_hand() -> None:
    # one pair, base^0 = 1: position p turns by p radians; (1, 0) becomes (cos p, sin p)
    turned = rotate(torch.tensor([[[[1.0, 0.0], [1.0, 0.0]]]]), Rotary(), 1)
    assert turned[0, 0, 0].tolist() == pytest.approx([math.cos(1), math.sin(1)])
    assert turned[0, 0, 1].tolist() == pytest.approx([math.cos(2), math.sin(2)])


def test_dot_products_depend_on_the_distance_alone() -> None:
    q, k = torch.randn(2, 3, 1, 10, dtype=torch.float64), torch.randn(2, 3, 1, 10, dtype=torch.float64)

    def dot(at: int, other: int) -> torch.Tensor:
        return (rotate(q, Rotary(), at) * rotate(k, Rotary(), other)).sum(-1)

    torch.testing.assert_close(dot(5, 2), dot(105, 102), rtol=1e-5, atol=1e-5)  # angles are float32
    assert not torch.allclose(dot(5, 2), dot(5, 3), rtol=1e-3)


def test_turning_keeps_lengths() -> None:
    x = torch.randn(1, 1, 13, 6)
    torch.testing.assert_close(rotate(x, Rotary(), 1000).norm(dim=-1), x.norm(dim=-1))


def test_layers_give_rows_from_start_on() -> None:
    learned, fixed = LearnedPositions(Learned(7), 4), SinusoidalPositions(Sinusoidal(), 4)
    assert torch.equal(learned(2, 5), learned.table[5:7])
    assert torch.equal(fixed(2, 5), fixed(7)[5:])
    assert fixed(1)[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert not list(fixed.parameters())
    assert fixed.half()(3).dtype == torch.float32
