"""Scenes: boxes inside the picture and of some area, a label for each, masks whose every value has a box."""

import json

import numpy as np
import pytest
from PIL import Image

from regard.spec.errors import DataError
from regard.tasks.readers.scenes import mask_values, read_scenes


@pytest.fixture
def scenes(tmp_path, png):
    """Writes `scenes.jsonl` with these rows; the picture a.png has 10 x 8 pixels."""
    (tmp_path / "a.png").write_bytes(png(size=(10, 8)))
    (tmp_path / "cut.png").write_bytes(png(size=(10, 8))[:30])
    values = np.zeros((8, 10), dtype=np.uint8)
    values[2:4, 1:5] = 1
    values[5:, 5:] = 2
    Image.fromarray(values).save(tmp_path / "mask.png")
    (tmp_path / "colour.png").write_bytes(png(size=(10, 8)))
    (tmp_path / "small.png").write_bytes(png("L", size=(4, 4)))

    def write(*rows):
        whole = [
            {"image": "a.png", "boxes": [[1, 2, 5, 4], [5, 5, 10, 8]], "labels": ["cat", "dog"]} | row for row in rows
        ]
        (tmp_path / "scenes.jsonl").write_text("\n".join(map(json.dumps, whole)))
        return read_scenes(tmp_path)

    return write


def test_a_scene_is_read_as_it_is(scenes, tmp_path):
    (row,) = scenes({"mask": "mask.png"}).rows
    assert row.boxes == ((1, 2, 5, 4), (5, 5, 10, 8))
    assert row.labels == ("cat", "dog")
    assert np.bincount(mask_values(row.mask).ravel()).tolist() == [80 - 8 - 15, 8, 15]
    (empty,) = scenes({"boxes": [], "labels": []}).rows
    assert (empty.boxes, empty.mask) == ((), None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"boxes": [[1, 2, 5, 4], [5, 5, 11, 8]]},
            "box 2 [5, 5, 11, 8] is outside the picture, which has 10 x 8 pixels",
        ),
        ({"boxes": [[-1, 2, 5, 4], [5, 5, 9, 8]]}, "box 1 [-1, 2, 5, 4] is outside the picture"),
        ({"boxes": [[5, 2, 5, 4], [5, 5, 9, 8]]}, "box 1 [5, 2, 5, 4] has no area"),
        ({"boxes": [[5, 4, 1, 2], [5, 5, 9, 8]]}, "box 1 [5, 4, 1, 2] has no area"),
        ({"boxes": [[1, 2, 5], [5, 5, 9, 8]]}, "box 1 is not [left, top, right, bottom]"),
        ({"boxes": [[1, 2, 5, "x"], [5, 5, 9, 8]]}, "box 1: column 'boxes' holds 'x', expected a number"),
        ({"boxes": None}, "column 'boxes' holds no list of boxes"),
        ({"labels": ["cat"]}, "1 labels for 2 boxes, expected one for each"),
        ({"labels": None}, "no list of labels for 2 boxes"),
        ({"labels": ["cat", ""]}, "no label in column 'labels'"),
        ({"image": "none.png"}, "there is no file none.png"),
        ({"image": "cut.png"}, "cut.png is cut short or broken"),
        ({"image": None}, "no picture in column 'image'"),
        ({"mask": "none.png"}, "there is no file none.png"),
        ({"mask": "small.png"}, "the mask small.png has 4 x 4 pixels, the picture 10 x 8"),
        ({"mask": "colour.png"}, "the mask colour.png is of mode RGB, expected one channel"),
        (
            {"mask": "mask.png", "boxes": [[1, 2, 5, 4]], "labels": ["cat"]},
            "mask.png has values without a box: 2 (1 boxes)",
        ),
        ({"mask": 5}, "column 'mask' holds no path"),
    ],
)
def test_what_is_refused(scenes, row, said):
    reading = scenes(row)
    assert not reading.rows
    assert said in reading.refused[0].reason


def test_a_folder_without_scenes(tmp_path):
    with pytest.raises(DataError, match=r"has no scenes.jsonl; give the folder that it lies in"):
        read_scenes(tmp_path)
