"""Pictures to tokens: non-overlapping patches, each through one linear layer."""

from __future__ import annotations

from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sizes
from regard.nn.front_ends.picture_changes import PictureChanges
from regard.nn.front_ends.pictures import Pictures
from regard.nn.front_ends.placing import PlanarPlacing
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Grid, Spans
from regard.spec.errors import ShapeError
from regard.spec.position import Learned, Sinusoidal


class PatchFrontEnd(nn.Module):
    """Patches of `patch` pixels, (height, width) or one number for both (Dosovitskiy et al. 2021, arXiv 2010.11929,
    §3.1, without a class token: what pools is the head's business).

    A picture of any size that patches fill will do. `Learned(n)` positions hold n rows and n columns of patches.
    Raises `SpecError` for sizes below 1, `ShapeError` for a `dim` the positions cannot share out.
    """

    def __init__(
        self,
        dim: int,
        patch: int | tuple[int, int],
        *,
        channels: int = 1,
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
        changes: PictureChanges | None = None,
    ) -> None:
        super().__init__()
        height, width = (patch, patch) if isinstance(patch, int) else patch
        check_sizes("PatchFrontEnd", dim=dim, patch_height=height, patch_width=width)
        check_dropout("PatchFrontEnd", dropout)
        self.patch = (height, width)
        self.pictures = Pictures(channels, changes)
        self.project = nn.Linear(channels * height * width, dim)
        self.placing = PlanarPlacing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def dim(self) -> int:
        return self.project.out_features

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def units(self, height: int, width: int) -> Grid:
        """Boxes in pixels, of pictures of this size. Raises `ShapeError` where patches do not fill them."""
        tall, wide = self.patch
        return Grid(
            self._shape(height, width),
            Spans("patch", "pixels", tall, tall, ends=(height,)),
            Spans("patch", "pixels", wide, wide, ends=(width,)),
        )

    def pixels(self, pictures: Tensor) -> Tensor:
        """pictures (batch, channels, height, width) -> (batch, len, channels * patch height * patch width): the pixels
        of each patch, standardised, channel by channel, each row by row. In training, random changes included."""
        return self._cut(self.pictures(pictures))

    def forward(self, pictures: Tensor) -> Tokens:
        """pictures (batch, channels, height, width), uint8 or float -> tokens (batch, rows * cols, dim), row by row.

        Raises `ShapeError` for pictures that patches do not fill, of another number of channels, or too large for the
        positions.
        """
        ready = self.pictures(pictures)
        return self.embedded(self._cut(ready), ready.shape[2], ready.shape[3])

    def embedded(self, pixels: Tensor, height: int, width: int) -> Tokens:
        """What `pixels` gave (batch, len, pixels of a patch), for pictures of this size -> tokens (batch, len, dim).

        For training that needs the very pixels the tokens were made of, as hidden patches' targets.
        """
        units = self.units(height, width)
        x, added = self.placing(self.project(pixels.to(self.project.weight.dtype)), units.shape)
        return Tokens.padded("PatchFrontEnd", self.dropout(x), None, units, positions=added)

    def _cut(self, ready: Tensor) -> Tensor:
        batch, channels, height, width = ready.shape
        rows, cols = self._shape(height, width)
        tall, wide = self.patch
        parts = ready.reshape(batch, channels, rows, tall, cols, wide)
        return parts.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)

    def _shape(self, height: int, width: int) -> tuple[int, int]:
        tall, wide = self.patch
        if height < 1 or width < 1 or height % tall or width % wide:
            near = f"{max(1, height // tall) * tall} x {max(1, width // wide) * wide}"
            raise ShapeError(
                f"PatchFrontEnd: pictures are {height} x {width} pixels (height x width), which patches of {tall} x "
                f"{wide} do not fill: resize or crop them to a multiple, such as {near}, or choose other patches"
            )
        return height // tall, width // wide
