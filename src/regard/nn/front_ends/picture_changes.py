"""Random changes to pictures in training: crops, shifts, flips and cutouts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from regard.nn.front_ends.draws import uniform, whole
from regard.spec.errors import SpecError
from regard.spec.value import described, is_number

_NARROWEST = math.log(3 / 4)  # a crop is at most so much narrower, or wider, than the picture


@dataclass(frozen=True)
class PictureChanges:
    """What is changed, each picture its own way, in this order.

    crop: a part of at least this share of the area, 3:4 to 4:3 of the picture's own shape, is stretched to the whole
    (Szegedy et al. 2015, arXiv 1409.4842, §6); 1 for none. shift: up to so many pixels in each direction, 0 moving in.
    flip: the chance that left and right change places. cutout: the side in pixels of a square set to 0, its centre
    anywhere, so that part of it may lie outside (DeVries and Taylor 2017, arXiv 1708.04552); 0 for none.

    Digits and letters must not be flipped. Raises `SpecError` for shares outside 0 to 1 or sizes below 0.
    """

    crop: float = 1.0
    shift: int = 0
    flip: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        if not is_number(self.crop) or not 0 < self.crop <= 1:
            raise SpecError(f"PictureChanges(crop={described(self.crop)}): expected a share of the area, 0 < crop <= 1")
        if not is_number(self.flip) or not 0 <= self.flip <= 1:
            raise SpecError(f"PictureChanges(flip={described(self.flip)}): expected a chance, 0 <= flip <= 1")
        for name in ("shift", "cutout"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int) or given < 0:
                raise SpecError(f"PictureChanges({name}={described(given)}): expected a whole number of pixels")

    def apply(self, pictures: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """pictures (batch, channels, height, width), float, 0 what is blank -> the same shape, changed.

        Random numbers come from `generator`, or from torch's own on the CPU: the same on every device for one seed.
        Raises `SpecError` for a shift that would move a whole picture away.
        """
        height, width = pictures.shape[-2:]
        if self.shift >= min(height, width):
            raise SpecError(
                f"PictureChanges(shift={self.shift}): pictures are {height} x {width} pixels, it leaves none"
            )
        if self.crop < 1:
            pictures = _cropped(pictures, self.crop, generator)
        if self.shift:
            pictures = _shifted(pictures, self.shift, generator)
        if self.flip:
            turned = uniform(pictures.shape[0], generator=generator).to(pictures.device) < self.flip
            pictures = torch.where(turned[:, None, None, None], pictures.flip(-1), pictures)
        if self.cutout:
            pictures = _cut(pictures, self.cutout, generator)
        return pictures


def _cropped(pictures: Tensor, least: float, generator: torch.Generator | None) -> Tensor:
    batch = pictures.shape[0]
    area, shape, down, across = uniform(4, batch, generator=generator).to(pictures.device, torch.float64)
    area = least + (1 - least) * area
    shape = (_NARROWEST * (1 - 2 * shape)).exp()
    wide, high = (area * shape).sqrt().clamp(max=1), (area / shape).sqrt().clamp(max=1)
    # in affine_grid's coordinates the picture runs from -1 to 1: a part of share s has its centre within 1 - s of 0
    zero = torch.zeros_like(wide)
    x_row = torch.stack((wide, zero, (1 - wide) * (2 * across - 1)), -1)
    y_row = torch.stack((zero, high, (1 - high) * (2 * down - 1)), -1)
    theta = torch.stack((x_row, y_row), 1).to(pictures.dtype)
    grid = affine_grid(theta, list(pictures.shape), align_corners=False)
    return grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _shifted(pictures: Tensor, most: int, generator: torch.Generator | None) -> Tensor:
    batch, channels, height, width = pictures.shape
    moves = torch.full((2, batch, 1), 2 * most + 1, device=pictures.device)
    down, across = whole(moves, generator=generator) - most  # (batch, 1) each
    rows = torch.arange(height, device=pictures.device) - down
    cols = torch.arange(width, device=pictures.device) - across
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((cols >= 0) & (cols < width))[:, None]
    flat = (rows.clamp(0, height - 1)[:, :, None] * width + cols.clamp(0, width - 1)[:, None]).flatten(1)
    moved = pictures.flatten(2).gather(2, flat[:, None].expand(-1, channels, -1)).view_as(pictures)
    return moved.masked_fill(~inside[:, None], 0.0)


def _cut(pictures: Tensor, side: int, generator: torch.Generator | None) -> Tensor:
    batch, _, height, width = pictures.shape
    sizes = torch.tensor((height, width), device=pictures.device)[:, None, None].expand(2, batch, 1)
    top, left = whole(sizes, generator=generator) - side // 2  # of the square, (batch, 1) each
    rows, cols = (torch.arange(size, device=pictures.device) for size in (height, width))
    inside = ((rows >= top) & (rows < top + side))[:, :, None] & ((cols >= left) & (cols < left + side))[:, None]
    return pictures.masked_fill(inside[:, None], 0.0)
