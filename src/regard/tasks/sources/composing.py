"""Composed scenes: small pictures pasted on a background, whose boxes and masks are exact because they were pasted.

What is drawn comes from numpy's RandomState, whose stream of numbers is frozen for good (numpy enhancement proposal
19), and from whole numbers: the same seed makes the same pixels on every machine with the same Pillow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

SIDE = 96  # pixels, of a scene
MOST = 5  # things in one scene
SHORTEST, LONGEST = 24, 48  # the longer side of a thing before it is tilted, pixels
TILT = 20  # degrees to either side
SHOWN = 0.6  # of each thing's pixels that stay visible, at least
_SOLID = 128  # from this opacity on, of 255, a pixel is the thing's
_TRIES = 30  # places that are tried for a thing before it is left out


@dataclass(frozen=True)
class Scene:
    """A picture and what is on it.

    picture: (side, side, 3). mask: (side, side), 0 for the background and k for the thing of box k, counted from 1.
    boxes: left, top, right, bottom in pixels, right and bottom one beyond the last pixel; each is the smallest around
    its thing's visible pixels. labels: one a box.
    """

    picture: Pixels
    mask: Pixels
    boxes: tuple[tuple[int, int, int, int], ...]
    labels: tuple[str, ...]


def compose(shelf: Mapping[str, Sequence[Any]], dice: RandomState, *, side: int = SIDE) -> Scene:
    """A scene of 1 to 5 things: each a class of the shelf, any as likely as another, then one of its pictures.

    shelf: label -> pictures (PIL, RGBA). Later things lie over earlier ones, of which 60 % stay visible; a thing that
    finds no such place in 30 tries is left out.
    """
    canvas = background(dice, side)
    owner = np.zeros((side, side), dtype=np.uint8)
    labels: list[str] = []
    whole: list[int] = []
    names = sorted(shelf)
    for _ in range(_one(dice, 1, MOST + 1)):
        label = names[_one(dice, 0, len(names))]
        thing = _cut(shelf[label][_one(dice, 0, len(shelf[label]))], dice)
        solid = thing[:, :, 3] >= _SOLID
        whole.append(int(solid.sum()))
        place = _place(solid, owner, whole, dice)
        if place is None:
            whole.pop()
            continue
        labels.append(label)
        canvas[place] = _over(thing, canvas[place])
        owner[place][solid] = len(labels)
    boxes = tuple(extents(owner == number) for number in range(1, len(labels) + 1))
    return Scene(picture=canvas, mask=owner, boxes=boxes, labels=tuple(labels))


def extents(shown: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """The smallest box around what is True: left, top, right, bottom; right and bottom are one beyond."""
    columns = np.flatnonzero(shown.any(axis=0))
    rows = np.flatnonzero(shown.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def background(dice: RandomState, side: int) -> Pixels:
    """One of four kinds: from one colour to another, large spots, stripes, grain. (side, side, 3)"""
    kinds = (_shades, _spots, _stripes, _grain)
    return kinds[_one(dice, 0, len(kinds))](dice, side)


def _shades(dice: RandomState, side: int) -> Pixels:
    across = _slope(dice, side)
    share = (across - across.min()) / max(1, across.max() - across.min())
    return _between(share[:, :, None], _colours(dice, 2))


def _spots(dice: RandomState, side: int) -> Pixels:
    from PIL import Image

    few = _one(dice, 3, 9)
    coarse = Image.fromarray(_colours(dice, few * few).reshape(few, few, 3))
    return np.array(coarse.resize((side, side), Image.Resampling.BICUBIC))


def _stripes(dice: RandomState, side: int) -> Pixels:
    first, second = _colours(dice, 2)
    wide = _one(dice, 12, 60)
    odd = (_slope(dice, side) // wide) % 2 == 1
    striped: Pixels = np.where(odd[:, :, None], first, second)
    return striped


def _grain(dice: RandomState, side: int) -> Pixels:
    noise = _several(dice, -24, 25, (side, side, 1))
    grains: Pixels = np.clip(_colours(dice, 1)[:, None, :] + noise, 0, 255).astype(np.uint8)
    return grains


def _slope(dice: RandomState, side: int) -> NDArray[np.int64]:
    """Whole numbers that rise in one direction across the picture. (side, side)"""
    right, down = (int(number) for number in _several(dice, -4, 5, (2,)))
    along = np.arange(side, dtype=np.int64)
    return right * along[None, :] + (down or 1) * along[:, None]


def _colours(dice: RandomState, count: int) -> Pixels:
    return _several(dice, 0, 256, (count, 3)).astype(np.uint8)


def _one(dice: RandomState, low: int, high: int) -> int:
    """A whole number from low to high - 1."""
    return int(_several(dice, low, high, (1,))[0])


def _several(dice: RandomState, low: int, high: int, shape: tuple[int, ...]) -> NDArray[np.int64]:
    # 64 bits on every system: by default it is the system's own width, and with it the stream would differ
    return dice.randint(low, high, size=shape, dtype=np.int64)


def _between(share: NDArray[np.float64], colours: Pixels) -> Pixels:
    first, second = colours.astype(np.float64)
    mixed: Pixels = np.rint(first + share * (second - first)).astype(np.uint8)
    return mixed


def _cut(picture: Any, dice: RandomState) -> Pixels:
    """The thing alone, at another size and tilt, cut to its solid pixels. (height, width, 4)"""
    from PIL import Image

    bare = picture.crop(picture.getchannel("A").getbbox())
    longer = _one(dice, SHORTEST, LONGEST + 1)
    size = [max(1, round(length * longer / max(bare.size))) for length in bare.size]
    sized = bare.resize(size, Image.Resampling.LANCZOS)
    tilted = sized.rotate(_one(dice, -TILT, TILT + 1), Image.Resampling.BICUBIC, expand=True)
    pixels = np.array(tilted)
    left, top, right, bottom = extents(pixels[:, :, 3] >= _SOLID)
    return pixels[top:bottom, left:right]


def _place(
    solid: NDArray[np.bool_], owner: Pixels, whole: Sequence[int], dice: RandomState
) -> tuple[slice, slice] | None:
    """Where the last thing of `whole` may lie so that enough of every thing is seen. whole: pixels of each in full."""
    height, width = solid.shape
    side = len(owner)
    if height > side or width > side:
        return None
    for _ in range(_TRIES):
        top, left = _one(dice, 0, side - height + 1), _one(dice, 0, side - width + 1)
        place = slice(top, top + height), slice(left, left + width)
        after = owner.copy()
        after[place][solid] = len(whole)
        seen = np.bincount(after.ravel(), minlength=len(whole) + 1)[1:]
        if (seen >= SHOWN * np.array(whole)).all():
            return place
    return None


def _over(thing: Pixels, below: Pixels) -> Pixels:
    opacity = thing[:, :, 3:].astype(np.int64)
    mixed = opacity * thing[:, :, :3] + (255 - opacity) * below
    return ((mixed + 127) // 255).astype(np.uint8)
