"""Pictures with boxes, labels and masks: from files to parts of pixels and of what is to be found in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regard.nn.heads import Objects
from regard.spec.errors import DataError, SpecError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener
from regard.tasks.image_data import constants_of, patches_of, pictures_of
from regard.tasks.memory_part import MemoryPart
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.images import read_images
from regard.tasks.readers.scenes import FILE, Scene, mask_values, read_scenes
from regard.tasks.scores.boxes import Boxes
from regard.tasks.sections import FindingSettings, ImageSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, Refused, usable
from regard.tasks.task import Asked, Given, Prepared, Setup

COMPOSED = "emoji-scenes"  # sets whose scenes were composed, not photographed; every figure on them says so

Sizes = NDArray[np.int64]


@dataclass(frozen=True)
class SceneBatch:
    """pictures (batch, channels, size, size) uint8; things: what is in each, boxes in fractions of the picture; masks
    (batch, size, size) int64: each pixel's class, 0 for background and label + 1, None where they are not asked for.
    sizes (batch, 2): width and height in the file, in pixels. patches: tokens of one picture."""

    pictures: Tensor
    things: tuple[Objects, ...]
    masks: Tensor | None
    sizes: Sizes
    patches: int

    def __len__(self) -> int:
        return self.pictures.shape[0]

    @property
    def tokens(self) -> int:
        return len(self) * self.patches

    places = tokens

    def to(self, device: torch.device) -> SceneBatch:
        """The same batch on another device."""
        things = tuple(Objects(one.labels.to(device), one.boxes.to(device)) for one in self.things)
        masks = None if self.masks is None else self.masks.to(device)
        return replace(self, pictures=self.pictures.to(device), things=things, masks=masks)


Prepare = Callable[[Settings, Mapping[str, str] | None, Listener], Prepared]
Read = Callable[[Asked, Setup], Given]


def digest_scenes(settings: Settings, listen: Listener) -> str:
    """What the bytes of a folder's files come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "scenes", listen)


def prepare_scenes(*, masks: bool) -> Prepare:
    """The preparation of a run that finds boxes, or with `masks` one that outlines: then a scene without a mask is
    refused. The facts hold the labels and, a channel, mean and deviation of the training part.

    What it gives raises:
        SpecError: the settings name no data, both a named set and a file, or columns, whose names are fixed here.
        DataError: the data cannot be read or parted, or the test part has a label that no training scene has.
    """

    def prepare(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
        data = settings.data
        _no_columns(data.columns)
        parts = parted(data, "scenes", _with_masks if masks else read_scenes, listen)
        labels = sorted({label for row in parts.train for label in row.labels})
        if not labels:
            raise DataError("no training scene has a box, expected 1 or more")
        setup = Setup(settings, {"labels": labels})
        train = encode_scenes(parts.train, setup, masks=masks)
        constants = constants_of(train.collate(np.arange(len(train))).pictures)
        setup = Setup(decided_epochs(settings, train, listen), {**setup.facts, **constants})
        found = prepared(
            setup, parts, lambda rows: train if rows is parts.train else encode_scenes(rows, setup, masks=masks)
        )
        tested = data.test_source or data.test_path or data.source or data.path
        return replace(found, protocol=found.protocol + composed(Path(str(tested)).name))

    return prepare


def read_more_scenes(*, masks: bool) -> Read:
    """The reading of other scenes for a trained run; where they need no truths, of any table or folder of pictures.

    What it gives raises:
        SpecError: columns are named for scenes, whose columns have fixed names.
        DataError: they cannot be read, a row cannot be used, or a label is unknown to the run.
    """

    def read(asked: Asked, setup: Setup) -> Given:
        scenes = asked.path.name == FILE or (asked.path / FILE).is_file()
        if asked.truths or scenes:
            _no_columns(asked.columns)
            found = (_with_masks if masks and asked.truths else read_scenes)(asked.path)
        else:
            found = _untold(asked.path, asked.columns.get("image", "image"))
        rows = usable(found, skip_refused=asked.skip_refused)
        known = rows if asked.truths else tuple(replace(row, boxes=(), labels=(), mask=None) for row in rows)
        part = encode_scenes(known, setup, masks=masks)
        places = [row.image.place for row in rows]
        shown = tuple(place.path.name if place.row < 0 else f"picture {row.number}"
                      for place, row in zip(places, rows, strict=True))  # fmt: skip
        marks = np.array([row.image.mark for row in rows], dtype=np.int64)
        name = found.name + composed(found.name)
        return Given(name, part, tuple(row.number for row in rows), shown, len(found.refused), marks)

    return read


def composed(name: str) -> str:
    """What the protocol says of scenes that were composed; nothing of others."""
    return "|scenes:composed" if name.startswith(COMPOSED) else ""


def encode_scenes(rows: Sequence[Scene], setup: Setup, *, masks: bool) -> MemoryPart:
    """Pixels in memory, 28 kB for a scene of 96 x 96. Truths: `Boxes` of each, or with `masks` each pixel's class
    (height, width), in the file's own size.

    Raises:
        DataError: a label is unknown to the run, or a scene has more boxes than the run looks for.
    """
    image, labels = setup.settings.section(ImageSettings), list(setup.facts["labels"])
    unknown = sorted({label for row in rows for label in row.labels} - set(labels))
    if unknown:
        raise DataError(f"labels unknown to this run: {', '.join(unknown)}; those it knows: {', '.join(labels)}")
    if not masks:
        _check_counts(rows, setup.settings.section(FindingSettings).queries)
    pictures = pictures_of([row.image for row in rows], image)
    sizes = np.array([(row.image.look.width, row.image.look.height) for row in rows], dtype=np.int64).reshape(-1, 2)
    boxes = [_boxes(row, labels) for row in rows]
    things = [_objects(one, size) for one, size in zip(boxes, sizes, strict=True)]
    classes = [_classes(row, labels) for row in rows] if masks else []
    small = [resized(one, (image.size, image.size)) for one in classes]
    tokens = patches_of(image)

    def collate(wanted: Any) -> SceneBatch:
        outlines = torch.from_numpy(np.stack([small[row] for row in wanted]).astype(np.int64)) if masks else None
        return SceneBatch(
            pictures[torch.from_numpy(wanted)], tuple(things[row] for row in wanted), outlines, sizes[wanted], tokens
        )

    return MemoryPart(np.full(len(rows), tokens), collate, classes if masks else boxes)


def _check_counts(rows: Sequence[Scene], most: int) -> None:
    full = [row for row in rows if len(row.boxes) > most]
    if full:
        raise DataError(
            f"scene {full[0].number} has {len(full[0].boxes)} boxes, and {len(full)} scenes have more than the {most} "
            f"that are looked for; train with --set finding.queries={max(len(row.boxes) for row in full)}"
        )


def resized(mask: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """(height, width) of another shape: each pixel takes the value of the one below its middle."""
    down, across = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64) for new, old in zip(shape, mask.shape, strict=True)
    )
    found: NDArray[Any] = mask[down[:, None], across[None]]
    return found


def _boxes(row: Scene, labels: Sequence[str]) -> Boxes:
    places = np.array(row.boxes, dtype=float).reshape(-1, 4)
    return Boxes(places, np.array([labels.index(label) for label in row.labels], dtype=np.int64))


def _objects(boxes: Boxes, size: Sizes) -> Objects:
    fractions = boxes.places / np.tile(size, 2)
    return Objects(torch.from_numpy(boxes.labels), torch.from_numpy(fractions).float())


def _classes(row: Scene, labels: Sequence[str]) -> NDArray[np.uint16]:
    """Each pixel's class, (height, width): 0 where nothing is, or where nothing is known (a picture alone)."""
    if row.mask is None:
        return np.zeros((row.image.look.height, row.image.look.width), dtype=np.uint16)
    table = np.array([0, *(labels.index(label) + 1 for label in row.labels)], dtype=np.uint16)
    found: NDArray[np.uint16] = table[mask_values(row.mask)]
    return found


def _with_masks(path: Path) -> Reading[Scene]:
    """Scenes, of which those without a mask are refused."""
    found = read_scenes(path)
    bare = tuple(Refused(row.number, None, "no mask, which outlining needs") for row in found.rows if row.mask is None)
    refused = tuple(sorted((*found.refused, *bare), key=lambda one: one.number))
    return replace(found, rows=tuple(row for row in found.rows if row.mask is not None), refused=refused)


def _untold(path: Path, column: str) -> Reading[Scene]:
    found = read_images(path, image=column, label=None)
    rows = tuple(Scene(row.number, row, (), ()) for row in found.rows)
    return Reading(found.name, found.columns, rows, found.refused, found.notes)


def _no_columns(columns: Mapping[str, str]) -> None:
    if columns:
        raise SpecError(f"columns {', '.join(columns)}: those of {FILE} have fixed names (image, boxes, labels, mask)")
