"""Composed scenes of emoji, for detection and segmentation: a folder with scenes.jsonl, pictures and masks.

The emoji of the test scenes occur in no training scene: each class is known by some of its pictures, and tested on
others.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from numpy.random import RandomState

from regard.spec.extra import require
from regard.tasks.event import Listener
from regard.tasks.sources.composing import Scene, compose
from regard.tasks.sources.emoji import HOME, LICENCE, PACKAGES, Emoji, emoji
from regard.tasks.sources.picture_rows import png
from regard.tasks.sources.source import Source

Part = Literal["train", "test"]

SEED = 96
_COUNTS: dict[Part, int] = {"train": 4000, "test": 1000}
_HELD_OUT = 5  # one picture of so many is for the test scenes alone
# class -> the emoji's kinds (Unicode's subgroups) it takes its pictures from
CLASSES: dict[str, tuple[str, ...]] = {
    "arrow": ("arrow",),
    "bird": ("animal-bird",),
    "building": ("place-building",),
    "clock": ("time",),
    "drink": ("drink",),
    "face": ("face-smiling", "face-affection", "face-tongue", "face-neutral-skeptical", "face-concerned"),
    "flower": ("plant-flower",),
    "fruit": ("food-fruit",),
    "hand": ("hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed"),
    "heart": ("heart",),
    "mammal": ("animal-mammal",),
    "vehicle": ("transport-ground",),
}
_PARTS: tuple[tuple[str, Part, str], ...] = (
    ("emoji-scenes", "train", "for training"),
    ("emoji-scenes-test", "test", "for testing, with emoji that no training scene shows"),
)


def scenes(part: Part) -> Callable[[Sequence[Path], Path, Listener], None]:
    """What composes the scenes of one part."""

    def make(files: Sequence[Path], target: Path, listen: Listener) -> None:
        require("PIL", what="composing scenes")
        shelf = {label: _loaded(ones) for label, ones in shelves(emoji(files))[part].items()}
        _write(target, (compose(shelf, dice(part, number)) for number in range(_COUNTS[part])))

    return make


def dice(part: Part, number: int) -> RandomState:
    """The random numbers of one scene: it stays the same whichever others are made."""
    return RandomState([SEED, ("train", "test").index(part), number])


def shelves(found: Sequence[Emoji]) -> dict[Part, dict[str, list[Emoji]]]:
    """part -> class -> the emoji that its scenes may show. Which are held out depends on their codes' hashes only."""
    parts: dict[Part, dict[str, list[Emoji]]] = {"train": {}, "test": {}}
    for label, kinds in CLASSES.items():
        ones = sorted((one for one in found if one.kind in kinds), key=_shuffled)
        held = max(1, len(ones) // _HELD_OUT)
        parts["test"][label], parts["train"][label] = ones[:held], ones[held:]
    return parts


def _shuffled(one: Emoji) -> str:
    return hashlib.sha256(one.code.encode()).hexdigest()


def _loaded(ones: Sequence[Emoji]) -> list[Any]:
    from PIL import Image

    return [Image.open(io.BytesIO(one.picture)).convert("RGBA") for one in ones]


def _write(target: Path, made: Iterator[Scene]) -> None:
    for folder in ("pictures", "masks"):
        (target / folder).mkdir(parents=True)
    with (target / "scenes.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for number, scene in enumerate(made):
            file.write(json.dumps(_entry(target, f"{number:05d}.png", scene)) + "\n")


def _entry(target: Path, name: str, scene: Scene) -> Mapping[str, object]:
    (target / "pictures" / name).write_bytes(png(scene.picture))
    (target / "masks" / name).write_bytes(png(scene.mask))
    return {
        "image": f"pictures/{name}",
        "boxes": scene.boxes,
        "labels": scene.labels,
        "mask": f"masks/{name}",
    }


_SCENES, _SCENES_TEST = (
    Source(
        name=name,
        about=f"composed scenes: 1 to 5 emoji of 12 classes pasted on a background, with exact boxes and masks; {what}",
        kind="scenes",
        holds=f"{_COUNTS[part]:,} scenes of 96 x 96",
        packages=PACKAGES,
        licence=LICENCE,
        licence_member="package/LICENSE",
        home=HOME,
        make=scenes(part),
    )
    for name, part, what in _PARTS
)

SETS = (_SCENES, _SCENES_TEST)
