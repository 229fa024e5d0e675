"""One encoded picture: whether it can be used, why not, and its pixels.

What a picture is turned into is asked for (grey or colour, a size) and nothing else is done to it. Pictures of 16 bits
a channel lose their lower 8 on the way: that, like every other conversion, is counted under its name.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.spec.extra import require

Mode = Literal["L", "RGB"]  # grey, colour

SUFFIXES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
MOST_PIXELS = 50_000_000  # of one picture: more is taken for an attempt to fill the memory
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")  # of PNG, JPEG, GIF
_PLAIN = {"L", "RGB"}
_CONVERTED = {
    "1": "black and white",
    "P": "palette",
    "PA": "palette with transparency",
    "LA": "grey with transparency",
    "La": "grey with transparency",
    "RGBA": "colour with transparency",
    "RGBa": "colour with transparency",
    "CMYK": "CMYK",
    "YCbCr": "YCbCr",
    "HSV": "HSV",
    "LAB": "Lab",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture is: its size in pixels, and how it is coded, in words ("" for plain grey or colour)."""

    width: int
    height: int
    coded: str


def look(content: bytes) -> Look | str:
    """Decodes a picture once; what it is, or why it cannot be used."""
    image = _opened(content)
    if isinstance(image, str):
        return image
    return Look(image.width, image.height, "" if image.mode in _PLAIN else _coding(image.mode))


def pixels(content: bytes, *, mode: Mode = "RGB", size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """A picture's pixels, (height, width, 1 or 3): of one that `look` found usable.

    Transparent parts are laid over white. `size` (height, width): scaled to it (bilinear over the area of each pixel)
    where it differs; the proportions are not kept.

    Raises:
        DataError: the picture cannot be used.
    """
    image = _opened(content)
    if isinstance(image, str):
        raise DataError(f"the picture {image}")
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits: the upper 8 are kept
        image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if image.mode in {"LA", "La", "PA", "RGBa", "RGBA"} or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    image = image.convert(mode)
    if size is not None and image.size != (size[1], size[0]):
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    found = np.asarray(image)
    return found[:, :, None] if found.ndim == 2 else found


def _opened(content: bytes) -> Any:
    """The decoded image, or why there is none."""
    require("PIL", what="reading pictures", extra="train")
    from PIL import Image, UnidentifiedImageError

    if not content:
        return "holds no bytes"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture near the limit below is judged by that limit
            with Image.open(io.BytesIO(content)) as checked:
                reason = _size_fault(checked.width, checked.height) or _frames_fault(checked)
                if reason:
                    return reason
                if checked.mode not in _PLAIN and not _coding(checked.mode):
                    return f"is coded in mode {checked.mode}, which is not read; write it as grey or colour PNG"
                checked.verify()  # finds broken checksums, which loading forgives
            image = Image.open(io.BytesIO(content))  # verify leaves nothing to load from
            image.load()  # finds data that end early
    except UnidentifiedImageError:
        if content.startswith(_BEGINNINGS):
            return "is cut short or broken (what it begins with cannot be read)"
        return "is no picture in a known format (such as PNG or JPEG)"
    except Image.DecompressionBombError:
        return f"has more than {MOST_PIXELS:,} pixels, which is taken for an attempt to fill the memory"
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow raises on broken data, by format
        return f"is cut short or broken ({' '.join(str(error).split())})"
    return image


def _size_fault(width: int, height: int) -> str:
    if width * height > MOST_PIXELS:
        return f"has {width:,} x {height:,} pixels, at most {MOST_PIXELS:,} are read"
    return "" if width and height else f"has {width} x {height} pixels"


def _frames_fault(image: Any) -> str:
    frames = getattr(image, "n_frames", 1)
    return f"is animated ({frames} frames), expected one picture" if frames > 1 else ""


def _coding(mode: str) -> str:
    return "16 bits a channel" if mode == "I" or mode.startswith("I;16") else _CONVERTED.get(mode, "")
