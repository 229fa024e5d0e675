"""Scenes in a folder: what is held out is not shown in training, and what is written says what is drawn."""

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageDraw
from tests.tasks.package_files import tarball

from regard.tasks.event import unheard
from regard.tasks.sources import scenes as making
from regard.tasks.sources.emoji import LANGUAGES, Emoji
from regard.tasks.sources.scenes import CLASSES, dice, scenes, shelves


def drawn(number):
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(picture).rectangle((10, 10, 50, 40), fill=(20 * number, 255 - 20 * number, 90, 255))
    packed = io.BytesIO()
    picture.save(packed, format="PNG")
    return packed.getvalue()


def some(kind, count):
    return [Emoji(f"{kind}-{number}", drawn(number), {}, "any", kind) for number in range(count)]


KINDS = [kinds[0] for kinds in CLASSES.values()]
ALL = [one for kind in KINDS for one in some(kind, 10)]


def test_every_class_is_tested_on_pictures_of_its_own():
    parts = shelves(ALL)
    assert list(parts["train"]) == list(parts["test"]) == list(CLASSES)
    for label in CLASSES:
        known = {one.code for one in parts["train"][label]}
        held = {one.code for one in parts["test"][label]}
        assert (len(known), len(held)) == (8, 2)
        assert not known & held


def test_what_is_held_out_does_not_depend_on_the_order():
    assert shelves([one for kind in KINDS[::-1] for one in some(kind, 10)[::-1]]) == shelves(ALL)


def test_a_class_of_few_pictures_still_tests_one():
    parts = shelves([one for kind in KINDS for one in some(kind, 3)])
    assert {len(ones) for ones in parts["test"].values()} == {1}


def test_scenes_have_numbers_of_their_own():
    """And always the same ones: numpy's RandomState has promised that."""
    assert dice("train", 0).randint(0, 256, size=5, dtype=np.int64).tolist() == [50, 135, 237, 44, 1]
    assert dice("test", 7).randint(0, 256, size=5, dtype=np.int64).tolist() == [91, 122, 184, 19, 90]
    first = dice("train", 0).randint(1 << 30)
    assert dice("train", 0).randint(1 << 30) == first
    assert len({first, dice("train", 1).randint(1 << 30), dice("test", 0).randint(1 << 30)}) == 3


@pytest.fixture
def files(tmp_path):
    """The two emoji packages, with three pictures of each class."""
    few = [one for kind in KINDS for one in some(kind, 3)]
    listed = [
        {"unified": one.code, "image": f"{one.code}.png", "sort_order": 0, "category": "any", "subcategory": one.kind}
        for one in few
    ]
    inside = {f"package/img/google/64/{one.code}.png": one.picture for one in few}
    names = json.dumps([{"hexcode": one.code, "label": one.code} for one in few])
    return [
        tarball(tmp_path / "pictures.tgz", {"package/emoji.json": json.dumps(listed), **inside}),
        tarball(tmp_path / "names.tgz", {f"package/{language}/data.json": names for language in LANGUAGES}),
    ]


def test_a_folder_of_scenes(files, tmp_path, monkeypatch):
    monkeypatch.setattr(making, "_COUNTS", {"train": 4, "test": 3})
    scenes("train")(files, tmp_path / "known", unheard)
    scenes("test")(files, tmp_path / "held", unheard)
    lines = (tmp_path / "known" / "scenes.jsonl").read_text().splitlines()
    assert [json.loads(line)["image"] for line in lines] == [f"pictures/{number:05d}.png" for number in range(4)]
    for line in lines:
        check_scene(tmp_path / "known", json.loads(line))
    assert len(list((tmp_path / "held" / "pictures").iterdir())) == 3
    scenes("train")(files, tmp_path / "again", unheard)
    assert written(tmp_path / "again") == written(tmp_path / "known")


def written(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_scene(folder, entry):
    """The picture is there, and the pixels of each number in the mask reach just to the sides of its box."""
    with Image.open(folder / entry["image"]) as picture, Image.open(folder / entry["mask"]) as drawn_numbers:
        assert picture.size == (96, 96)
        mask = np.array(drawn_numbers)
    assert mask.max() == len(entry["boxes"]) == len(entry["labels"])
    assert set(entry["labels"]) <= set(CLASSES)
    for number, box in enumerate(entry["boxes"], start=1):
        rows, columns = np.nonzero(mask == number)
        assert box == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


@pytest.mark.data
def test_the_real_pictures_are_parted_as_the_documents_say(needed):
    rows = pq.read_table(needed("emoji"), columns=["code", "kind"]).to_pylist()
    parts = shelves([Emoji(row["code"], b"", {}, "any", row["kind"]) for row in rows])
    assert [sum(map(len, parts[part].values())) for part in ("train", "test")] == [321, 77]
    assert {label: len(ones) for label, ones in parts["test"].items()} == {
        "arrow": 4,
        "bird": 4,
        "building": 5,
        "clock": 6,
        "drink": 4,
        "face": 14,
        "flower": 2,
        "fruit": 4,
        "hand": 6,
        "heart": 5,
        "mammal": 13,
        "vehicle": 10,
    }


@pytest.mark.data
@pytest.mark.parametrize(("name", "count"), [("emoji-scenes", 4000), ("emoji-scenes-test", 1000)])
def test_the_real_scenes_hold_what_the_documents_say(needed, name, count):
    folder = needed(name)
    entries = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    assert len(entries) == count
    assert {label for entry in entries for label in entry["labels"]} == set(CLASSES)
    for entry in entries[::50]:
        check_scene(folder, entry)
