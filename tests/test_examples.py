"""The sample files: small, all told of in their README, and made again just so by the script beside them."""

import csv
import json
import re
import wave
from collections import Counter
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regard.tasks.readers.captions import read_captions
from regard.tasks.readers.documents import read_documents
from regard.tasks.readers.events import read_events
from regard.tasks.readers.images import read_images
from regard.tasks.readers.pairs import read_pairs
from regard.tasks.readers.questions import read_questions
from regard.tasks.readers.scenes import read_scenes
from regard.tasks.readers.series import read_series
from regard.tasks.readers.speech import read_speech
from regard.tasks.readers.symbols import read_symbols

FOLDER = Path(__file__).parents[1] / "examples"
PROGRAMS = {"keras_reviews.py", "make_samples.py"}
BY_HAND = {*PROGRAMS, "README.md", "chinese.csv", "messages.jsonl", "numbers.json", "reviews.csv"}
SAMPLES = [path for path in sorted(FOLDER.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]


def rows(name):
    with (FOLDER / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder as the script makes it."""
    spec = spec_from_file_location("make_samples", FOLDER / "make_samples.py")
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    script.main(tmp_path_factory.mktemp("examples"))
    return tmp_path_factory.getbasetemp() / "examples0"


def test_they_are_small():
    assert sum(path.stat().st_size for path in SAMPLES) < 200_000


def test_the_readme_names_each_file_and_a_command_for_it():
    text = (FOLDER / "README.md").read_text("utf-8")
    for name in {path.relative_to(FOLDER).parts[0] for path in SAMPLES} - {"README.md", *PROGRAMS}:
        line = next(line for line in text.splitlines() if line.startswith((f"| `{name}` |", f"| `{name}/` |")))
        assert re.search(rf"`regard (train [a-z-]+ --data|walk --numbers) examples/{re.escape(name)}\b", line)


def test_the_script_makes_them_again(made):
    """Pictures are compared by their pixels: how a PNG is packed depends on the library."""
    theirs = {str(path.relative_to(FOLDER)) for path in SAMPLES} - BY_HAND
    assert {str(path.relative_to(made)) for path in made.rglob("*") if path.is_file()} == theirs
    for name in theirs:
        if name.endswith(".png"):
            assert np.array_equal(np.array(Image.open(made / name)), np.array(Image.open(FOLDER / name))), name
        else:
            assert (made / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_translations_lie_on_pages():
    found = rows("pairs.csv")
    assert len({row["source"] for row in found}) == len(found) == 60
    assert set(Counter(row["group"] for row in found).values()) == {5}


def test_a_question_is_answered_by_its_story():
    for line in (FOLDER / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        thing = row["question"].removeprefix("Where is the ").removesuffix("?")
        told = row["context"].split(". ")
        (taken,) = [number for number, one in enumerate(told) if thing in one]
        who = told[taken].split()[0]
        last = [one for one in told[taken + 1 :] if one.startswith(who)][-1]
        assert last.rstrip(".").endswith(row["answer"])


def test_pictures_and_masks_show_what_is_said():
    for row in rows("captions.csv"):
        picture = np.array(Image.open(FOLDER / row["image"]))
        assert picture.shape == (16, 16, 3)
        assert row["text"].endswith(row["label"])
        assert row["image"].split("/")[1] == row["label"]
    for line in (FOLDER / "scenes" / "scenes.jsonl").read_text().splitlines():
        entry = json.loads(line)
        mask = np.array(Image.open(FOLDER / "scenes" / entry["mask"]))
        assert mask.max() == len(entry["boxes"]) == len(entry["labels"])
        for number, (left, top, right, bottom) in enumerate(entry["boxes"], start=1):
            down, across = np.nonzero(mask == number)
            assert (left, top, right, bottom) == (across.min(), down.min(), across.max() + 1, down.max() + 1)


def test_a_sound_is_as_long_as_its_tones():
    for row in rows("sounds/speech.csv"):
        with wave.open(str(FOLDER / "sounds" / row["path"])) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 8000)
            assert file.getnframes() == 800 * len(row["text"].split())


def test_days_follow_each_other_in_every_series():
    for name in ("castle", "mill"):
        times = [row["time"] for row in rows("series.csv") if row["series"] == name]
        assert len(times) == 112
        days = np.array(times, dtype="datetime64[D]")
        assert (np.diff(days) == np.timedelta64(1, "D")).all()


def test_bases_with_a_box_are_told_apart():
    found = rows("bases.csv")
    assert all(("TATAAA" in row["symbols"]) == (row["label"] == "box") for row in found)
    assert min(Counter(row["label"] for row in found).values()) >= 25


@pytest.mark.parametrize(
    ("name", "read", "count"),
    [
        ("pairs.csv", partial(read_pairs, group="group"), 60),
        ("notices.jsonl", read_pairs, 40),
        ("questions.jsonl", read_questions, 48),
        ("tales.jsonl", read_documents, 40),
        ("pictures", read_images, 30),
        ("captions.csv", partial(read_captions, label="label"), 30),
        ("scenes", read_scenes, 15),
        ("sounds/speech.csv", partial(read_speech, group="group"), 15),
        ("bases.csv", partial(read_symbols, label="label", alphabet="ACGT"), 60),
    ],
)
def test_every_row_can_be_used(name, read, count):
    reading = read(FOLDER / name)
    assert (len(reading.rows), reading.refused, reading.notes) == (count, (), ())


def test_every_day_and_every_loan_can_be_used():
    table = read_series(FOLDER / "series.csv", covariates=("holiday",))
    assert ([len(one) for one in table.series], table.refused, table.gaps) == ([112, 112], (), ())
    events = read_events(FOLDER / "events.csv", value="value")
    assert (len(events), len(events.user_names), events.refused, events.notes) == (96, 16, (), ())
