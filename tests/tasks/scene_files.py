"""Small scenes with boxes and masks, made where a test wants them."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (230, 30, 30), "blue": (30, 40, 230)}


def drawn(number, things=1, size=(32, 32)):
    """A grey picture (height, width) with so many squares of 8 pixels, one in each half: (pixels, boxes, labels, mask).

    The class is the colour.
    """
    height, width = size
    draw = np.random.default_rng(number)
    pixels = draw.integers(110, 130, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), dtype=np.uint8)
    boxes, labels = [], []
    for one in range(things):
        top = int(draw.integers(0, height // 2 - 8)) + one * height // 2
        left = int(draw.integers(0, width - 8))
        label = ("red", "blue")[int(draw.integers(0, 2))]
        pixels[top : top + 8, left : left + 8] = COLOURS[label]
        mask[top : top + 8, left : left + 8] = one + 1
        boxes.append([left, top, left + 8, top + 8])
        labels.append(label)
    return pixels, boxes, labels, mask


def scenes(folder: Path, count: int, *, first: int = 0, size=(32, 32)) -> Path:
    """A folder of so many scenes, of one square and two in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(first, first + count):
        pixels, boxes, labels, mask = drawn(number, 1 + number % 2, size)
        Image.fromarray(pixels).save(folder / f"{number:03d}.png")
        Image.fromarray(mask).save(folder / f"{number:03d}-mask.png")
        row = {"image": f"{number:03d}.png", "boxes": boxes, "labels": labels, "mask": f"{number:03d}-mask.png"}
        lines.append(json.dumps(row))
    (folder / "scenes.jsonl").write_text("\n".join(lines) + "\n")
    return folder
