"""Patches: the order of pixels, a convolution that does the same, any multiple of the patch, and refusals."""

from __future__ import annotations

import pytest
import torch

from regard.nn.front_ends import PatchFrontEnd, PictureChanges
from regard.spec import Learned, ShapeError, Sinusoidal, SpecError


def test_pixels_by_hand() -> None:
    front_end = PatchFrontEnd(4, (2, 3))
    picture = torch.arange(24.0).view(1, 1, 4, 6)
    assert front_end.pixels(picture)[0].tolist() == [
        [0, 1, 2, 6, 7, 8],
        [3, 4, 5, 9, 10, 11],
        [12, 13, 14, 18, 19, 20],
        [15, 16, 17, 21, 22, 23],
    ]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_as_a_convolution_of_that_stride(channels: int) -> None:
    front_end = PatchFrontEnd(8, (3, 5), channels=channels)
    pictures = torch.randn(2, channels, 9, 20)
    weight = front_end.project.weight.view(8, channels, 3, 5)
    want = torch.nn.functional.conv2d(pictures, weight, front_end.project.bias, stride=(3, 5))
    torch.testing.assert_close(front_end(pictures).tokens, want.flatten(2).transpose(1, 2))


@pytest.mark.parametrize("positions", [Learned(7), Sinusoidal()])
def test_any_multiple_of_the_patch_up_to_what_positions_hold(positions: Learned | Sinusoidal) -> None:
    front_end = PatchFrontEnd(8, 2, positions=positions)
    for rows, cols in ((1, 1), (3, 5), (7, 2)):
        made = front_end(torch.randn(2, 1, 2 * rows, 2 * cols))
        assert made.tokens.shape == (2, rows * cols, 8)
        assert made.positions.shape == (rows * cols, 8)
        assert made.lengths is None
        assert made.covered(1)[-1].bounds == (2 * cols - 2, 2 * rows - 2, 2 * cols, 2 * rows)
    if isinstance(positions, Learned):
        assert front_end.longest == 49
        with pytest.raises(ShapeError, match="positions 0 to 7 were asked for"):
            front_end(torch.randn(1, 1, 16, 2))
    else:
        assert front_end.longest is None


def test_units_are_boxes_in_pixels() -> None:
    units = PatchFrontEnd(4, (2, 3)).units(4, 6)
    assert units.shape == (2, 2)
    assert [unit.bounds for unit in units.of(0, 4)] == [(0, 0, 3, 2), (3, 0, 6, 2), (0, 2, 3, 4), (3, 2, 6, 4)]


def test_tokens_of_the_very_pixels_given() -> None:
    front_end = PatchFrontEnd(8, 2, positions=Learned(4), changes=PictureChanges(shift=2, flip=0.5))
    pixels = front_end.pixels(torch.randn(3, 1, 8, 6))
    made = front_end.embedded(pixels, 8, 6)
    torch.testing.assert_close(made.tokens, front_end.project(pixels) + made.positions)
    front_end.eval()
    pictures = torch.randn(3, 1, 8, 6)
    assert torch.equal(front_end(pictures).tokens, front_end.embedded(front_end.pixels(pictures), 8, 6).tokens)


@pytest.mark.parametrize(("height", "width", "near"), [(27, 30, "24 x 28"), (3, 8, "4 x 8"), (13, 17, "12 x 16")])
def test_sizes_that_patches_do_not_fill_are_refused(height: int, width: int, near: str) -> None:
    with pytest.raises(ShapeError, match=rf"are {height} x {width} pixels .* patches of 4 x 4 do not fill.*as {near}"):
        PatchFrontEnd(8, 4)(torch.randn(1, 1, height, width))
    with pytest.raises(ShapeError, match="do not fill"):
        PatchFrontEnd(8, 4).units(height, width)


def test_bad_arguments() -> None:
    with pytest.raises(SpecError, match="patch_width=0"):
        PatchFrontEnd(8, (4, 0))
    with pytest.raises(SpecError, match="dropout=1"):
        PatchFrontEnd(8, 4, dropout=1.0)
    with pytest.raises(SpecError, match="channels=0"):
        PatchFrontEnd(8, 4, channels=0)
    with pytest.raises(ShapeError, match="expected a multiple of 4"):
        PatchFrontEnd(6, 4, positions=Sinusoidal())
