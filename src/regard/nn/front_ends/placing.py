"""Positions added to tokens, along one axis or over a grid, and handed back beside them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from regard.nn.positions import LearnedPositions, SinusoidalPositions, positions_layer
from regard.spec.errors import ShapeError
from regard.spec.position import Learned, Sinusoidal


class Placing(nn.Module):
    """Adds the position of each token of a sequence; with None, nothing.

    `content` is what vectors of a trained table are multiplied by first: sqrt(dim) beside sinusoids, whose entries are
    of size 1 (Vaswani et al. 2017, §3.4), else 1.
    """

    def __init__(self, spec: Sinusoidal | Learned | None, dim: int) -> None:
        super().__init__()
        self.layer = positions_layer(spec, dim)
        self.longest = spec.max_len if isinstance(spec, Learned) else None
        self.content = math.sqrt(dim) if isinstance(spec, Sinusoidal) else 1.0

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """x (batch, len, dim) -> x with positions, and the positions alone, (len, dim) or None.

        Raises `ShapeError` for more tokens than `Learned.max_len`.
        """
        added = positions_of(self.layer, x.shape[1], x)
        return (x, None) if added is None else (x + added, added)


class PlanarPlacing(nn.Module):
    """Adds the place of each token of a grid: the first half of the entries for its row, the other half for its column
    (Dosovitskiy et al. 2021, arXiv 2010.11929, appendix D.4, learned; Beyer et al. 2022, arXiv 2205.01580, sinusoids).

    `Learned(n)` holds n rows and n columns, and grids of any size up to that. Rows come first, where Beyer et al. put
    columns first, and sines and cosines are side by side, as in one axis here. Raises `ShapeError` for an odd `dim`, or
    one that is not a multiple of 4 with sinusoids.
    """

    def __init__(self, spec: Sinusoidal | Learned | None, dim: int) -> None:
        super().__init__()
        if isinstance(spec, (Sinusoidal, Learned)) and dim % (4 if isinstance(spec, Sinusoidal) else 2):
            raise ShapeError(
                f"positions={spec!r} over a grid with dim={dim}: half of the entries are for the row and half for the "
                f"column; expected a multiple of {4 if isinstance(spec, Sinusoidal) else 2}"
            )
        self.rows = positions_layer(spec, dim // 2)
        self.cols = positions_layer(spec, dim // 2)
        self.longest = spec.max_len**2 if isinstance(spec, Learned) else None

    def forward(self, x: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
        """x (batch, rows * cols, dim), row by row, shape (rows, cols) -> x with places, and the places (len, dim).

        Raises `ShapeError` for more rows or columns than `Learned.max_len`.
        """
        down, across = positions_of(self.rows, shape[0], x), positions_of(self.cols, shape[1], x)
        if down is None or across is None:
            return x, None
        size = (*shape, down.shape[-1])
        added = torch.cat((down[:, None].expand(size), across[None].expand(size)), -1).flatten(0, 1)
        return x + added, added


def positions_of(
    layer: LearnedPositions | SinusoidalPositions | None, length: int, like: Tensor, start: int = 0
) -> Tensor | None:
    """(length, dim) positions from `start` on, in the dtype of `like`; None without a layer."""
    if layer is None:
        return None
    if isinstance(layer, LearnedPositions):
        found: Tensor = layer(length, start)
        return found
    made: Tensor = layer(length, start, like.device)
    return made.to(like.dtype)
