"""Pictures with boxes and, where wanted, a mask: for finding things and outlining them.

A folder with `scenes.jsonl`, one picture a line: {"image": path, "boxes": [[left, top, right, bottom], ...], "labels":
[...], "mask": path}. Boxes are in pixels from the upper left corner, right and bottom beyond the last pixel. A mask is
a picture of one channel, as large as the scene: 0 is background, k belongs to box k (from 1).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from regard.spec.errors import DataError
from regard.tasks.readers.faults import label_fault, number_of
from regard.tasks.readers.identity import Identity
from regard.tasks.readers.images import Image, conversions, image_at
from regard.tasks.readers.picture import look
from regard.tasks.readers.picture_cells import picture_file
from regard.tasks.readers.reading import read_records
from regard.tasks.readers.records import Record, records_of
from regard.tasks.table import Reading

FILE = "scenes.jsonl"
_GREY = {"L", "P", "1", "I", "I;16", "I;16L", "I;16B"}  # one number a pixel, as it is written

Box = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture and what is on it. `mask`: its file, None without one. A scene without boxes has nothing on it."""

    number: int
    image: Image
    boxes: tuple[Box, ...]
    labels: tuple[str, ...]
    mask: Path | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.image.mark, self.image.mark)


def read_scenes(folder: str | Path) -> Reading[Scene]:
    """Reads the scenes of a folder; each picture and mask is decoded once.

    Refused are boxes outside the picture, of no area or not of four numbers, labels that are not one for each box,
    masks of another size than the picture, and values of a mask that no box has.

    Raises:
        DataError: the folder has no `scenes.jsonl`, or it has no rows.
    """
    folder = Path(folder)
    path = folder / FILE if folder.is_dir() else folder
    if path.name != FILE or not path.is_file():
        raise DataError(f"{folder} has no {FILE}; give the folder that it lies in")
    records = records_of(path)
    records.need("image", "boxes", "labels")
    reading = read_records(records, lambda record: _scene(record, path.parent))
    notes = conversions([row.image.look for row in reading.rows])
    return Reading(path.parent.name, reading.columns, reading.rows, reading.refused, notes)


def mask_values(path: Path) -> NDArray[np.int64]:
    """A mask's values, (height, width): 0 for background, k for box k.

    Raises:
        DataError: it has more than one channel.
    """
    from PIL import Image as Pictures

    with Pictures.open(io.BytesIO(path.read_bytes())) as image:
        if image.mode not in _GREY:
            raise DataError(f"the mask {path.name} is of mode {image.mode}, expected one channel (a grey PNG)")
        return np.asarray(image).astype(np.int64)


def _scene(record: Record, folder: Path) -> Scene | str:
    fields = record.fields
    image = _picture(record, folder)
    if isinstance(image, str):
        return image
    boxes = _boxes(fields.get("boxes"), image)
    if isinstance(boxes, str):
        return boxes
    labels = fields.get("labels")
    if not isinstance(labels, list) or len(labels) != len(boxes):
        count = len(labels) if isinstance(labels, list) else "no list of"
        return f"{count} labels for {len(boxes)} boxes, expected one for each"
    reason = next(filter(None, (label_fault(one, "labels") for one in labels)), "")
    mask = reason or _mask(fields.get("mask"), folder, image, len(boxes))
    if isinstance(mask, str):
        return mask
    return Scene(record.number, image, boxes, tuple(map(str, labels)), mask)


def _picture(record: Record, folder: Path) -> Image | str:
    name = record.fields.get("image")
    if not isinstance(name, str) or not name.strip():
        return "no picture in column 'image'"
    found = picture_file(folder / name, name)
    return found if isinstance(found, str) else image_at(record.number, found, "")


def _boxes(value: Any, image: Image) -> tuple[Box, ...] | str:
    if not isinstance(value, list):
        return "column 'boxes' holds no list of boxes"
    boxes = []
    for place, one in enumerate(value, start=1):
        found = _box(one, image, place)
        if isinstance(found, str):
            return found
        boxes.append(found)
    return tuple(boxes)


def _box(value: Any, image: Image, place: int) -> Box | str:
    if not isinstance(value, list) or len(value) != 4:
        return f"box {place} is not [left, top, right, bottom]"
    sides = [number_of(one, "boxes") for one in value]
    reason = next((fault for _, fault in sides if fault), "")
    if reason:
        return f"box {place}: {reason}"
    left, top, right, bottom = (number for number, _ in sides)
    said = f"box {place} [{left:g}, {top:g}, {right:g}, {bottom:g}]"
    if right <= left or bottom <= top:
        return f"{said} has no area"
    width, height = image.look.width, image.look.height
    if left < 0 or top < 0 or right > width or bottom > height:
        return f"{said} is outside the picture, which has {width} x {height} pixels"
    return (left, top, right, bottom)


def _mask(value: Any, folder: Path, image: Image, boxes: int) -> Path | str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return "column 'mask' holds no path"
    found = picture_file(folder / value, value)
    if isinstance(found, str):
        return found
    seen = look(found[1])
    if isinstance(seen, str):
        return f"the mask {value} {seen}"
    if (seen.width, seen.height) != (image.look.width, image.look.height):
        return (
            f"the mask {value} has {seen.width} x {seen.height} pixels, the picture {image.look.width} x "
            f"{image.look.height}"
        )
    try:
        values = np.unique(mask_values(folder / value))
    except DataError as error:
        return str(error)
    without = [int(one) for one in values if one < 0 or one > boxes]
    return f"the mask {value} has values without a box: {_few(without)} ({boxes} boxes)" if without else folder / value


def _few(values: Sequence[int]) -> str:
    return ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" if len(values) > 5 else "")
