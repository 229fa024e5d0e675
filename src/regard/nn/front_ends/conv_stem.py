"""Pictures to tokens: convolutions and max pooling, for small pictures and small data."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sizes
from regard.nn.front_ends.picture_changes import PictureChanges
from regard.nn.front_ends.pictures import Pictures
from regard.nn.front_ends.placing import PlanarPlacing
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Grid, Spans
from regard.spec.position import Learned, Sinusoidal


class ConvFrontEnd(nn.Module):
    """`blocks` times convolution 3 x 3, ReLU, max pooling 3 x 3 of stride 2 (the convolutional tokenizer of Hassani et
    al. 2021, arXiv 2104.05704, §3.3).

    Each block halves the picture's sides, rounding up, so that a picture of any size will do. `hidden` is the number of
    channels between blocks. Neighbouring tokens share pixels: hiding one does not hide all of what it saw.
    Raises `SpecError` for sizes below 1, `ShapeError` for a `dim` the positions cannot share out.
    """

    def __init__(
        self,
        dim: int,
        *,
        channels: int = 1,
        blocks: int = 2,
        hidden: int = 64,
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
        changes: PictureChanges | None = None,
    ) -> None:
        super().__init__()
        check_sizes("ConvFrontEnd", dim=dim, blocks=blocks, hidden=hidden)
        check_dropout("ConvFrontEnd", dropout)
        sizes = [channels, *[hidden] * (blocks - 1), dim]
        self.dim = dim
        self.pictures = Pictures(channels, changes)
        self.convolutions = nn.ModuleList(
            nn.Conv2d(given, made, 3, padding=1, bias=False) for given, made in pairwise(sizes)
        )
        for layer in self.convolutions:
            nn.init.kaiming_normal_(layer.weight)  # type: ignore[arg-type]
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.placing = PlanarPlacing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def units(self, height: int, width: int) -> Grid:
        """Boxes in pixels that share out a picture of this size: each pixel is in the box whose token is centred
        nearest. A token sees a little more than its box."""
        step = 2 ** len(self.convolutions)
        # token i is centred on pixel i * step, whose middle is at i * step + 1/2
        down, across = (
            Spans("patch", "pixels", step, step, start=0.5 - step / 2, ends=(size,)) for size in (height, width)
        )
        return Grid((-(-height // step), -(-width // step)), down, across)

    def forward(self, pictures: Tensor) -> Tokens:
        """pictures (batch, channels, height, width), uint8 or float -> tokens (batch, rows * cols, dim), row by row;
        rows = height / 2^blocks, rounded up.

        Raises `ShapeError` for pictures of another number of channels, or too large for the positions.
        """
        ready = self.pictures(pictures)
        x = ready.to(self.convolutions[0].weight.dtype)
        for layer in self.convolutions:
            x = self.pool(layer(x).relu())
        units = self.units(ready.shape[2], ready.shape[3])
        x, added = self.placing(x.flatten(2).transpose(1, 2), units.shape)
        return Tokens.padded("ConvFrontEnd", self.dropout(x), None, units, positions=added)
