"""Labelled pictures: from files to parts of pixels, the same for training and for a trained run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from regard.nn.front_ends import ConvFrontEnd, PatchFrontEnd, PictureChanges
from regard.spec import Learned
from regard.spec.errors import DataError
from regard.tasks.epochs import decided_epochs
from regard.tasks.event import Listener
from regard.tasks.memory_part import MemoryPart, TensorBatch
from regard.tasks.origin import digest_of
from regard.tasks.parting import parted, prepared
from regard.tasks.readers.images import Image, read_images
from regard.tasks.readers.picture import Mode, pixels
from regard.tasks.readers.picture_cells import contents
from regard.tasks.sections import ImageSettings
from regard.tasks.settings import Settings
from regard.tasks.table import Reading, usable
from regard.tasks.task import Asked, Given, Prepared, Setup


def digest_images(settings: Settings, listen: Listener) -> str:
    """What the bytes of the pictures come down to. Raises as `data_paths` does."""
    return digest_of(settings.data, "images", listen, named=settings.data.column("image"))


def prepare_images(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """The parts of an image classification run. The facts hold the labels and, a channel, mean and deviation of the
    training part.

    Raises:
        SpecError: the settings name no data, or both a named set and a file.
        DataError: the data cannot be read, or cannot be parted.
    """
    parts = parted(settings.data, "images", _reader(settings, {}), listen)
    setup = Setup(settings, {"labels": sorted({row.label for row in parts.train})})
    train = encode_images(parts.train, setup)
    shown = train.collate(np.arange(len(train))).inputs[0]
    constants = constants_of(shown)
    setup = Setup(decided_epochs(settings, train, listen), {**setup.facts, **constants})
    return prepared(setup, parts, lambda rows: train if rows is parts.train else encode_images(rows, setup))


def read_more(asked: Asked, setup: Setup) -> Given:
    """Pictures for a trained run: with `asked.truths` their labels too.

    Raises:
        DataError: the pictures cannot be read, a row cannot be used, or a label is unknown to the run.
    """
    found = _reader(setup.settings, asked.columns, labelled=asked.truths)(asked.path)
    rows = usable(found, skip_refused=asked.skip_refused)
    shown = tuple(row.place.path.name if row.place.row < 0 else f"picture {row.number}" for row in rows)
    marks = np.array([row.mark for row in rows], dtype=np.int64)
    numbers = tuple(row.number for row in rows)
    return Given(found.name, encode_images(rows, setup), numbers, shown, len(found.refused), marks)


def encode_images(rows: Sequence[Image], setup: Setup) -> MemoryPart:
    """Pixels (rows, channels, size, size) uint8, all in memory: 784 bytes for a grey picture of 28 x 28.

    Raises:
        DataError: a label is unknown to the run.
    """
    image, places = setup.settings.section(ImageSettings), {name: i for i, name in enumerate(setup.facts["labels"])}
    unknown = sorted({row.label for row in rows} - {*places, ""})
    if unknown:
        raise DataError(f"labels unknown to this run: {', '.join(unknown)}; those it knows: {', '.join(places)}")
    shown = pictures_of(rows, image)
    truths = np.array([places.get(row.label, 0) for row in rows], dtype=np.int64)
    tokens = patches_of(image)

    def collate(wanted: Any) -> TensorBatch:
        count = tokens * len(wanted)
        return TensorBatch((shown[torch.from_numpy(wanted)],), torch.from_numpy(truths[wanted]), count, count)

    return MemoryPart(np.full(len(rows), tokens), collate, truths)


def pictures_of(rows: Sequence[Image], image: ImageSettings) -> torch.Tensor:
    """Pixels (rows, channels, size, size) uint8, as the settings ask for them."""
    mode: Mode = "L" if image.channels == 1 else "RGB"
    encoded = contents([row.place for row in rows])
    seen = [pixels(one, mode=mode, size=(image.size, image.size)).transpose(2, 0, 1) for one in encoded]
    return torch.from_numpy(np.stack(seen))


def patches_of(image: ImageSettings) -> int:
    """Tokens of one picture."""
    return int((image.size // image.patch) ** 2)


def image_front_end(setup: Setup) -> ConvFrontEnd | PatchFrontEnd:
    """What makes tokens of the pictures: convolutions that each halve the sides, until a token is `patch` pixels wide,
    or patches; standardised by the facts, and in training moved and mirrored."""
    image, dim = setup.settings.section(ImageSettings), setup.settings.core.dim
    changes = PictureChanges(shift=image.shift, flip=0.5 if image.flip else 0.0)
    shared: dict[str, Any] = {"channels": image.channels, "positions": Learned(image.size), "changes": changes}
    front: ConvFrontEnd | PatchFrontEnd
    if image.stem == "convolution":
        front = ConvFrontEnd(dim, blocks=max(1, image.patch.bit_length() - 1), hidden=max(1, dim // 2), **shared)
    else:
        front = PatchFrontEnd(dim, image.patch, **shared)
    front.pictures.standard.set(setup.facts["mean"], setup.facts["deviation"])
    return front


def _reader(
    settings: Settings, columns: Mapping[str, str], *, labelled: bool = True
) -> Callable[[Path], Reading[Image]]:
    named = {**settings.data.columns, **columns}
    label = named.get("label", "label") if labelled else None
    return lambda path: read_images(path, image=named.get("image", "image"), label=label)


def constants_of(shown: torch.Tensor) -> dict[str, list[float]]:
    """The facts that pictures are standardised by: mean and deviation of each channel of (rows, channels, size, size)
    uint8, as shares of 255."""
    share = shown.float() / 255
    deviation = [one or 1.0 for one in share.std((0, 2, 3)).tolist()]
    return {"mean": share.mean((0, 2, 3)).tolist(), "deviation": deviation}
