"""A picture as a data address, small enough to lie in the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Union

from regard.spec.errors import DataError, MissingExtraError, ShapeError

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = Union[str, Path, "Image"]

SIDE = 768  # pixels along the longer side; the overlay's patches are far coarser
_QUALITY = 85


def addresses(image: Picture | Sequence[Picture] | None, count: int) -> tuple[str | None, ...]:
    """A data address for each of `count` inputs, or None for each without a picture.

    image: one picture, or one for each input, as the model saw it: after its own resizing and cropping, because the
    grid of patches is laid over the whole of it. A path, or a `PIL.Image.Image`.

    Raises:
        ShapeError: another number of pictures than inputs.
        DataError: a file that cannot be read as a picture.
        MissingExtraError: Pillow is not installed.
    """
    if image is None:
        return (None,) * count
    given = [image] if isinstance(image, str | Path) or not isinstance(image, Sequence) else list(image)
    if len(given) != count:
        raise ShapeError(f"{len(given)} pictures for {count} inputs: expected one for each, in the batch's order")
    return tuple(_address(one) for one in given)


def _address(picture: Picture) -> str:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError(
            "pictures in a report need Pillow, which is not installed; type: pip install 'regard[transformers]'"
        ) from error
    try:
        opened = picture if isinstance(picture, Image.Image) else Image.open(picture)
        small = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is none, or cut short"
        raise DataError(f"{picture} cannot be read as a picture ({reason}); expected PNG, JPEG or WebP") from error
    small.thumbnail((SIDE, SIDE))
    written = io.BytesIO()
    small.save(written, "JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode('ascii')}"
