"""Makes the sample files of this folder that were not written by hand: `python examples/make_samples.py`.

Everything is made up here, by rules simple enough to read; the same files come out each time.
"""

from __future__ import annotations

import csv
import json
import math
import random
import struct
import sys
import wave
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from PIL import Image, ImageDraw

SUBJECTS = (
    ("the cat", "die Katze"),
    ("the dog", "der Hund"),
    ("the child", "das Kind"),
    ("the teacher", "die Lehrerin"),
    ("the baker", "der Bäcker"),
    ("the neighbour", "der Nachbar"),
)
VERBS = (("sleeps", "schläft"), ("waits", "wartet"), ("sings", "singt"), ("reads", "liest"), ("laughs", "lacht"))
PLACES = (
    ("in the garden", "im Garten"),
    ("at the station", "am Bahnhof"),
    ("in the kitchen", "in der Küche"),
    ("on the bench", "auf der Bank"),
    ("by the river", "am Fluss"),
)
HOUSES = ("library", "swimming pool", "museum", "post office", "bakery")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
REASONS = (
    "because the roof is being mended",
    "because the heating has failed",
    "since its staff are on an outing",
    "while new windows are put in",
)
ADVICE = (
    "Please come on another day of the week, or telephone first.",
    "Letters can be left at the town hall until then.",
    "We are sorry for the trouble, and thank you for your patience.",
)
NAMES = ("Anna", "Ben", "Clara", "David")
ROOMS = ("kitchen", "garden", "hall", "cellar")
THINGS = ("key", "lamp", "letter")
COLOURS = {"red": (200, 40, 40), "green": (40, 150, 60), "blue": (50, 80, 200)}
TONES = {"low": 330.0, "middle": 495.0, "high": 742.0}  # hertz
RATE = 8000  # samples a second
TONE = 0.1  # seconds


def main(folder: Path) -> None:
    """Writes all of them into a folder."""
    folder.mkdir(exist_ok=True)
    write_csv(folder / "pairs.csv", ("source", "target", "group"), pairs(random.Random(1)))
    write_jsonl(folder / "notices.jsonl", ("source", "target"), notices(random.Random(2)))
    write_jsonl(folder / "questions.jsonl", ("context", "question", "answer"), questions(random.Random(3)))
    write_jsonl(folder / "tales.jsonl", ("text",), tales(random.Random(4)))
    write_csv(folder / "series.csv", ("series", "time", "value", "holiday"), visitors(random.Random(5)))
    write_csv(folder / "events.csv", ("user", "item", "time", "value"), loans(random.Random(6)))
    write_csv(folder / "bases.csv", ("symbols", "label"), bases(random.Random(7)))
    write_csv(folder / "plants.csv", ("height", "width", "petals", "label"), plants(random.Random(8)))
    captions = list(draw_pictures(folder / "pictures", random.Random(9)))
    write_csv(folder / "captions.csv", ("image", "text", "label"), captions)
    draw_scenes(folder / "scenes", random.Random(10))
    record(folder / "sounds", random.Random(11))


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def write_jsonl(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    lines = (json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def pairs(dice: random.Random) -> Iterable[tuple[str, str, str]]:
    """60 English sentences in German; where the place comes first, German turns verb and subject round."""
    every = [(who, does, where, first) for who in SUBJECTS for does in VERBS for where in PLACES for first in (0, 1)]
    for number, (who, does, where, first) in enumerate(shuffled(every, dice)[:60]):
        english = (where[0], who[0], does[0]) if first else (who[0], does[0], where[0])
        german = (where[1], does[1], who[1]) if first else (who[1], does[1], where[1])
        yield sentence(english), sentence(german), f"page {number // 5 + 1}"


def notices(dice: random.Random) -> Iterable[tuple[str, str]]:
    """40 notices with a line that says the same."""
    every = [(house, day, why) for house in HOUSES for day in DAYS for why in REASONS]
    for house, day, why in shuffled(every, dice)[:40]:
        yield f"On {day} the {house} stays closed {why}. {pick(ADVICE, dice)}", f"{house.capitalize()} closed on {day}"


def questions(dice: random.Random) -> Iterable[tuple[str, str, str]]:
    """48 stories in which somebody takes a thing and goes on; where is it?"""
    for _ in range(48):
        who, other = shuffled(NAMES, dice)[:2]
        first, second, third = shuffled(ROOMS, dice)[:3]
        thing = pick(THINGS, dice)
        told = [f"{who} went to the {first}.", f"{who} took the {thing}.", f"{who} went to the {second}."]
        told.insert(int(dice.random() * 4), f"{other} went to the {third}.")
        yield " ".join(told), f"Where is the {thing}?", second


def tales(dice: random.Random) -> Iterable[tuple[str]]:
    """40 tales of three short sentences each."""
    told = [(who, does, where) for (who, _) in SUBJECTS for (does, _) in VERBS for (where, _) in PLACES]
    for _ in range(40):
        yield (" ".join(sentence(pick(told, dice)) for _ in range(3)),)


def visitors(dice: random.Random) -> Iterable[tuple[str, date, int, int]]:
    """Visitors a day of two museums for 16 weeks of 2025: many at the weekend, more on holidays."""
    for name, usual in (("castle", 120), ("mill", 60)):
        for day in range(112):
            holiday = int(dice.random() < 0.04)
            expected = usual * (1 + 0.8 * (day % 7 in (5, 6)) + 1.5 * holiday + 0.1 * math.sin(day / 16))
            visits = round(expected * (0.9 + 0.2 * dice.random()))
            yield name, date(2025, 2, 3) + timedelta(days=day), visits, holiday  # a Monday first


def loans(dice: random.Random) -> Iterable[tuple[str, str, str, int]]:
    """16 readers who borrow the volumes of a series in order, three series, now and then another book."""
    for reader in range(16):
        series = pick("ABC", dice)
        for volume in range(6):
            stray = dice.random() < 0.15
            item = f"single {int(dice.random() * 4) + 1}" if stray else f"{series} {volume + 1}"
            when = f"2025-{volume + 1:02d}-{int(dice.random() * 28) + 1:02d}"
            yield f"reader {reader + 1}", item, when, 3 + int(dice.random() * 3)


def bases(dice: random.Random) -> Iterable[tuple[str, str]]:
    """60 stretches of 24 bases; in half of them TATAAA lies somewhere."""
    for number in range(60):
        found = [pick("ACGT", dice) for _ in range(24)]
        if number % 2:
            at = int(dice.random() * 19)
            found[at : at + 6] = "TATAAA"
        there = "TATAAA" in "".join(found)
        yield "".join(found), "box" if there else "none"


def plants(dice: random.Random) -> Iterable[tuple[float, float, int, str]]:
    """60 plants of three kinds: height and width in centimetres, and the number of petals."""
    kinds = (("bell", 30.0, 8.0, 5), ("star", 18.0, 14.0, 6), ("spike", 55.0, 10.0, 12))
    for number in range(60):
        name, height, width, petals = kinds[number % 3]
        spread = [0.8 + 0.4 * dice.random() for _ in range(2)]
        yield round(height * spread[0], 1), round(width * spread[1], 1), petals + int(dice.random() * 3) - 1, name


def draw_pictures(folder: Path, dice: random.Random) -> Iterable[tuple[str, str, str]]:
    """Two classes of 16 x 16 pixels, a sub-folder each; returns what a caption would say of each."""
    for label in ("disc", "square"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for number in range(15):
            name, side = tuple(COLOURS)[number % 3], 6 + int(dice.random() * 6)
            left, top = (int(dice.random() * (16 - side)) for _ in range(2))
            picture = Image.new("RGB", (16, 16), (235, 230, 220))
            draw_shape(picture, label, (left, top, left + side, top + side), COLOURS[name])
            path = folder / label / f"{number + 1:02d}.png"
            picture.save(path)
            yield f"{folder.name}/{label}/{path.name}", f"a {'small' if side < 9 else 'large'} {name} {label}", label


def draw_scenes(folder: Path, dice: random.Random) -> None:
    """15 pictures of 32 x 32 pixels with one or two shapes, their boxes and masks."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    lines = []
    for number in range(15):
        picture, mask = Image.new("RGB", (32, 32), (235, 230, 220)), Image.new("L", (32, 32), 0)
        boxes, labels = [], []
        for half in range(1 + number % 2):  # one above the middle, one below
            side = 8 + int(dice.random() * 6)
            left, top = int(dice.random() * (32 - side)), 16 * half + int(dice.random() * (16 - side))
            boxes.append((left, top, left + side, top + side))
            labels.append(pick(("disc", "square"), dice))
            draw_shape(picture, labels[-1], boxes[-1], pick(tuple(COLOURS.values()), dice))
            draw_shape(mask, labels[-1], boxes[-1], half + 1)
        name = f"{number + 1:02d}.png"
        picture.save(folder / "pictures" / name)
        mask.save(folder / "masks" / name)
        lines.append({"image": f"pictures/{name}", "boxes": boxes, "labels": labels, "mask": f"masks/{name}"})
    (folder / "scenes.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")


def draw_shape(picture: Image.Image, label: str, box: tuple[int, int, int, int], colour: object) -> None:
    """A disc or a square that fills its box; the box's right and bottom are one beyond its last pixel."""
    left, top, right, bottom = box
    within = (left, top, right - 1, bottom - 1)
    pen = ImageDraw.Draw(picture)
    if label == "disc":
        pen.ellipse(within, fill=colour)
    else:
        pen.rectangle(within, fill=colour)


def record(folder: Path, dice: random.Random) -> None:
    """15 wavs of two or three tones, and what they "say": low, middle, high. 8 kHz, 16 bits, one channel."""
    folder.mkdir(exist_ok=True)
    rows = []
    for number in range(15):
        said = [pick(tuple(TONES), dice) for _ in range(2 + number % 2)]
        samples = [loudness for word in said for loudness in tone(TONES[word])]
        name = f"{number + 1:02d}.wav"
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
        rows.append((name, " ".join(said), f"piper {number % 3 + 1}"))
    write_csv(folder / "speech.csv", ("path", "text", "group"), rows)


def tone(hertz: float) -> list[int]:
    """One tone, swelling and fading so that tones can be told apart."""
    count = int(RATE * TONE)
    swell = (math.sin(math.pi * (at + 0.5) / count) for at in range(count))
    return [round(12000 * loud * math.sin(2 * math.pi * hertz * at / RATE)) for at, loud in enumerate(swell)]


def sentence(parts: Sequence[str]) -> str:
    text = " ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def pick(choices: Sequence, dice: random.Random):
    return choices[int(dice.random() * len(choices))]


def shuffled(things: Sequence, dice: random.Random) -> list:
    """In another order. random.shuffle is not promised to stay the same; random.random is."""
    return [thing for _, _, thing in sorted((dice.random(), place, thing) for place, thing in enumerate(things))]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
