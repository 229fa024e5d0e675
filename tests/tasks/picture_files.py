"""Small pictures with what they show in words, made where a test wants them."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"red": (220, 40, 40), "green": (40, 200, 40), "blue": (40, 60, 220)}
PLACES = {"above": 0, "below": 8}


def shown(colour, place, number):
    """16 x 16 pixels: a square of that colour in the upper or lower half, on grey noise."""
    draw = np.random.default_rng((number, sum(map(ord, colour + place))))
    pixels = draw.integers(100, 140, (16, 16, 3), dtype=np.uint8)
    row, column = PLACES[place] + draw.integers(0, 3), draw.integers(0, 11)
    pixels[row : row + 5, column : column + 5] = COLOURS[colour]
    return Image.fromarray(pixels)


def captions(folder: Path, count: int, name: str = "rows.csv") -> Path:
    """A table of so many pictures of each colour and place: image, text ("red above"), label (the place)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "text", "label"))
        for number in range(count):
            for colour in COLOURS:
                for place in PLACES:
                    path = f"{colour}-{place}-{number:02d}.png"
                    shown(colour, place, number).save(folder / path)
                    writer.writerow((path, f"{colour} {place}", place))
    return folder / name
