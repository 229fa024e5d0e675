"""The convolutional stem: its layers one by one, sizes rounded up, boxes that share out the picture."""

from __future__ import annotations

import math

import pytest
import torch

from regard.nn.front_ends import ConvFrontEnd
from regard.spec import Learned, ShapeError, Sinusoidal, SpecError


def test_one_block_by_hand() -> None:
    front_end = ConvFrontEnd(1, blocks=1)
    with torch.no_grad():
        front_end.convolutions[0].weight.zero_()
        front_end.convolutions[0].weight[0, 0, 1, 1] = 1.0  # the convolution hands the picture on
    picture = torch.tensor([[1.0, -2, 3, 4], [5, 6, -7, 8], [9, -1, 0, 2]])
    # ReLU, then the largest of the 3 x 3 around (0, 0), (0, 2), (2, 0), (2, 2)
    assert front_end(picture.view(1, 1, 3, 4)).tokens.flatten().tolist() == [6, 8, 9, 8]
    assert front_end(-picture.view(1, 1, 3, 4)).tokens.flatten().tolist() == [2, 7, 1, 7]
    assert not front_end(-picture.view(1, 1, 3, 4)[..., :1]).tokens.any()  # ReLU: nothing is below 0


def test_boxes_by_hand() -> None:
    # tokens are centred on pixels 0, 4, 8: on 0.5, 4.5, 8.5 counted from the left edge; 2.5 and 6.5 are half way
    boxes = [unit.bounds for unit in ConvFrontEnd(1, blocks=2).units(3, 11).of(0, 3)]
    assert boxes == [(0, 0, 2.5, 3), (2.5, 0, 6.5, 3), (6.5, 0, 11, 3)]


@pytest.mark.parametrize(("height", "width", "blocks"), [(28, 28, 2), (1, 1, 2), (7, 13, 2), (5, 3, 1), (17, 2, 3)])
def test_sides_are_halved_rounding_up(height: int, width: int, blocks: int) -> None:
    front_end = ConvFrontEnd(8, blocks=blocks, hidden=5, channels=3)
    rows, cols = math.ceil(height / 2**blocks), math.ceil(width / 2**blocks)
    made = front_end(torch.randn(2, 3, height, width))
    assert made.tokens.shape == (2, rows * cols, 8)
    assert front_end.units(height, width).shape == (rows, cols)
    boxes = [unit.bounds for unit in made.covered(0)]
    painted = sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)
    assert painted == height * width  # edge to edge, nothing twice
    assert boxes[-1][2:] == (width, height)


def test_a_token_sees_the_pixel_its_box_is_centred_on() -> None:
    front_end = ConvFrontEnd(4, blocks=2, hidden=3)
    for layer in front_end.convolutions:
        torch.nn.init.constant_(layer.weight, 1.0)
    for row, col in ((0, 0), (4, 8), (12, 4)):
        picture = torch.zeros(1, 1, 16, 12)
        picture[0, 0, row, col] = 1.0
        made = front_end(picture)
        brightest = made.covered(0)[int(made.tokens[0].sum(-1).argmax())]
        left, top, right, bottom = brightest.bounds
        assert left <= col + 0.5 <= right
        assert top <= row + 0.5 <= bottom


def test_positions_dropout_and_refusals() -> None:
    front_end = ConvFrontEnd(8, positions=Learned(3))
    assert front_end.longest == 9
    made = front_end(torch.randn(2, 1, 12, 9))
    assert made.positions.shape == (9, 8)
    with pytest.raises(ShapeError, match="positions 0 to 3 were asked for"):
        front_end(torch.randn(1, 1, 13, 4))
    assert ConvFrontEnd(8, positions=Sinusoidal()).longest is None
    with pytest.raises(ShapeError, match="built for 1 channel"):
        front_end(torch.randn(1, 3, 12, 12))
    with pytest.raises(SpecError, match="blocks=0"):
        ConvFrontEnd(8, blocks=0)
    with pytest.raises(SpecError, match="dropout=2"):
        ConvFrontEnd(8, dropout=2.0)
