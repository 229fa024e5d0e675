"""Pictures as they come, made ready for a front end: checked, standardised, and in training changed at random."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sizes
from regard.nn.front_ends.picture_changes import PictureChanges
from regard.nn.front_ends.standardised import Standardised
from regard.spec.errors import ShapeError
from regard.spec.value import described


class Pictures(nn.Module):
    """Grey (`channels=1`) or colour (3) pictures as floats of mean 0 and deviation 1 a channel.

    `changes` act in training alone, after standardising, so that what moves in or is cut out is 0, the mean.
    """

    def __init__(self, channels: int, changes: PictureChanges | None = None) -> None:
        super().__init__()
        check_sizes("Pictures", channels=channels)
        self.channels = channels
        self.standard = Standardised(channels, axis=1)
        self.changes = changes

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures (batch, channels, height, width), uint8 from 0 to 255, or floats -> floats, float32 at least.

        uint8 is divided by 255; floats are taken as they are. Raises `ShapeError` for another shape or dtype.
        """
        ready: Tensor = self.standard(_floats(pictures, self.channels))
        if self.changes is not None and self.training:
            ready = self.changes.apply(ready)
        return ready

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Takes the constants from pictures of the training part, shaped as for `forward`. See `Standardised.fit`."""
        self.standard.fit(_floats(pictures, self.channels) for pictures in batches)


def _floats(pictures: Tensor, channels: int) -> Tensor:
    if not isinstance(pictures, Tensor) or pictures.dim() != 4 or pictures.shape[1] != channels:
        raise ShapeError(
            f"pictures are {described(pictures)}, expected (batch, {channels}, height, width): the front end was built "
            f"for {channels} channel{'s' * (channels > 1)}, 1 is grey and 3 is colour"
        )
    if not pictures.shape[2] or not pictures.shape[3]:
        raise ShapeError(f"pictures are {described(pictures)}: they have no pixels")
    if pictures.dtype == torch.uint8:
        return pictures.to(torch.float32) / 255
    if not pictures.is_floating_point():
        raise ShapeError(f"pictures are {described(pictures)}, expected uint8 (0 to 255) or floats")
    return pictures
