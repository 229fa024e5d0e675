"""Scenes from files to batches: boxes in fractions, masks as classes, and rows that cannot be used."""

import json

import numpy as np
import pytest
import torch
from tests.tasks.scene_files import drawn, scenes

from regard.spec.errors import DataError, SpecError
from regard.tasks.detect import DETECT
from regard.tasks.event import unheard
from regard.tasks.scene_data import composed, encode_scenes, read_more_scenes, resized
from regard.tasks.sections import DataSettings
from regard.tasks.segment import SEGMENT
from regard.tasks.settings import changed
from regard.tasks.task import Asked


def settings(task, folder, **more):
    small = {"image.size": 32, "image.patch": 8, "core.dim": 16, "core.hidden": 32, "core.layers": 1}
    if task is DETECT:
        small["finding.queries"] = 6
    return changed(task.settings(), {"data": DataSettings(path=str(folder)).model_dump(), **small, **more})


def prepared(task, folder, **more):
    return task.prepare(settings(task, folder, **more), None, unheard)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return scenes(tmp_path_factory.mktemp("scenes"), 30)


def test_boxes_are_fractions_of_the_picture_and_truths_are_pixels(folder):
    data = prepared(DETECT, folder)
    row, labels = data.rows.train[0], data.setup.facts["labels"]
    assert labels == ["blue", "red"]
    batch = data.train.batch(np.array([0]))
    assert batch.things[0].boxes.tolist() == [[side / 32 for side in box] for box in row.boxes]
    assert batch.things[0].labels.tolist() == [labels.index(label) for label in row.labels]
    assert data.train.truths[0].places.tolist() == [list(box) for box in row.boxes]
    assert batch.masks is None
    assert (len(batch), batch.tokens, batch.places) == (1, 16, 16)
    assert batch.sizes.tolist() == [[32, 32]]


def test_a_mask_holds_classes_where_the_file_holds_numbers_of_boxes(folder):
    data = prepared(SEGMENT, folder)
    place = next(place for place, row in enumerate(data.rows.train) if len(set(row.labels)) == 2)
    row, truth = data.rows.train[place], data.train.truths[place]
    for label, (left, top, right, bottom) in zip(row.labels, row.boxes, strict=True):
        assert (truth[int(top) : int(bottom), int(left) : int(right)] == {"blue": 1, "red": 2}[label]).all()
    assert (truth > 0).sum() == 2 * 64
    assert torch.equal(data.train.batch(np.array([place])).masks[0], torch.from_numpy(truth.astype(np.int64)))


def test_a_mask_is_brought_to_another_size_by_its_pixels_middles():
    mask = np.array([[1, 2], [3, 4]])
    assert resized(mask, (4, 2)).tolist() == [[1, 2], [1, 2], [3, 4], [3, 4]]
    assert resized(resized(mask, (6, 6)), (2, 2)).tolist() == mask.tolist()
    assert resized(np.arange(9).reshape(3, 3), (1, 1)).tolist() == [[4]]


def test_pictures_of_another_size_are_scaled_with_their_boxes(tmp_path):
    data = prepared(DETECT, scenes(tmp_path, 20, size=(24, 48)))
    batch = data.train.batch(np.arange(3))
    assert batch.pictures.shape == (3, 3, 32, 32)
    assert batch.sizes.tolist() == [[48, 24]] * 3
    left, top, right, bottom = data.rows.train[0].boxes[0]
    expected = torch.tensor([left / 48, top / 24, right / 48, bottom / 24])
    assert torch.allclose(batch.things[0].boxes[0], expected)
    outlined = prepared(SEGMENT, tmp_path)
    assert outlined.train.truths[0].shape == (24, 48)
    assert outlined.train.batch(np.arange(2)).masks.shape == (2, 32, 32)


def test_no_scene_is_in_two_parts(folder):
    data = prepared(DETECT, folder)
    parts = [{row.image.mark for row in part} for part in (data.rows.train, data.rows.validation, data.rows.test)]
    assert sum(map(len, parts)) == 30 == len(set.union(*parts))
    assert sorted(parts[0] | parts[1]) == data.marks.tolist()


def rewritten(folder, number, **changes):
    lines = (folder / "scenes.jsonl").read_text().splitlines()
    row = json.loads(lines[number - 1]) | changes
    lines[number - 1] = json.dumps({key: value for key, value in row.items() if value is not None})
    (folder / "scenes.jsonl").write_text("\n".join(lines) + "\n")


def test_scenes_without_a_mask_are_named_where_one_is_needed(tmp_path):
    scenes(tmp_path, 20)
    rewritten(tmp_path, 3, mask=None)
    rewritten(tmp_path, 5, boxes=[[0, 0, 99, 8]], labels=["red"])
    with pytest.raises(DataError, match=r"2 of 20 rows cannot be used: row 3: no mask, which outlining needs; row 5"):
        prepared(SEGMENT, tmp_path)
    with pytest.raises(DataError, match=r"1 of 20 rows cannot be used: row 5 \(line 5\): box 1 .* outside the picture"):
        prepared(DETECT, tmp_path)
    kept = prepared(SEGMENT, tmp_path, **{"data.skip_refused": True})
    assert sum(map(len, (kept.rows.train, kept.rows.validation, kept.rows.test))) == 18


def test_more_boxes_than_are_looked_for_are_refused_with_what_to_set(folder):
    with pytest.raises(DataError, match=r"has 2 boxes, and \d+ scenes have more than the 1 .* finding.queries=2"):
        prepared(DETECT, folder, **{"finding.queries": 1})


def test_labels_and_columns_that_do_not_fit_are_named(folder, tmp_path):
    setup = prepared(DETECT, folder).setup
    rewritten(scenes(tmp_path, 2), 1, labels=["green"])
    read = read_more_scenes(masks=False)
    with pytest.raises(DataError, match="labels unknown to this run: green; those it knows: blue, red"):
        read(Asked(tmp_path), setup)
    with pytest.raises(SpecError, match="have fixed names"):
        read(Asked(tmp_path, {"image": "shot"}), setup)
    with pytest.raises(SpecError, match="have fixed names"):
        prepared(DETECT, folder, **{"data.columns": {"image": "shot"}})


def test_pictures_alone_are_read_to_be_answered(folder, tmp_path):
    from PIL import Image

    setup = prepared(SEGMENT, folder).setup
    Image.fromarray(drawn(77, 1, (20, 40))[0]).save(tmp_path / "new.png")
    given = read_more_scenes(masks=True)(Asked(tmp_path, truths=False), setup)
    assert given.shown == ("new.png",)
    batch = given.part.batch(np.array([0]))
    assert batch.sizes.tolist() == [[40, 20]]
    told = read_more_scenes(masks=True)(Asked(folder, truths=False), setup)
    assert len(told.part) == 30
    assert not told.part.batch(np.arange(30)).masks.any()  # what is true of them is not looked at


def test_composed_scenes_say_so():
    assert composed("emoji-scenes-test-16.0.0") == "|scenes:composed"
    assert composed("holiday") == ""


def test_what_is_encoded_is_the_file_itself(folder):
    data = prepared(DETECT, folder)
    part = encode_scenes(data.rows.test[:1], data.setup, masks=False)
    number = int(data.rows.test[0].image.place.path.stem)
    assert torch.equal(
        part.batch(np.array([0])).pictures[0].permute(1, 2, 0), torch.from_numpy(drawn(number, 1 + number % 2)[0])
    )


@pytest.mark.data
def test_the_composed_scenes_of_the_named_sets(needed):
    needed("emoji-scenes")
    needed("emoji-scenes-test")
    data = DETECT.prepare(DETECT.settings(), None, unheard)
    assert (len(data.train), len(data.validation), len(data.test)) == (3600, 400, 1000)
    assert len(data.setup.facts["labels"]) == 12
    assert data.protocol.endswith("|scenes:composed")
    assert max(len(one.labels) for one in data.train.truths) == 5
