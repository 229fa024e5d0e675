"""Shifted and mirrored scenes: boxes and masks lie where the pixels lie."""

import numpy as np
import pytest
import torch
from tests.tasks.scene_files import COLOURS, drawn

from regard.nn.heads import Objects
from regard.tasks.scene_changes import blank_of, changed_scenes, shifted
from regard.tasks.scene_data import SceneBatch
from regard.tasks.settings import Settings
from regard.tasks.task import Setup

BLANK = torch.tensor([1, 2, 3], dtype=torch.uint8)


def batch(count=12):
    made = [drawn(number, 1 + number % 2) for number in range(count)]
    classes = ["blue", "red"]
    things = tuple(
        Objects(torch.tensor([classes.index(one) for one in labels]), torch.tensor(boxes) / 32)
        for _, boxes, labels, _ in made
    )
    masks = []
    for _, _, labels, mask in made:
        table = np.array([0, *(classes.index(one) + 1 for one in labels)])
        masks.append(torch.from_numpy(table[mask]))
    pictures = torch.stack([torch.from_numpy(one[0]).permute(2, 0, 1) for one in made])
    return SceneBatch(pictures, things, torch.stack(masks), np.full((count, 2), 32), 16)


def coloured(picture, label):
    colour = torch.tensor(COLOURS[label], dtype=torch.uint8)
    return (picture == colour[:, None, None]).all(0)


def test_shifting_by_hand():
    x = torch.arange(6).reshape(2, 3)
    assert shifted(x, 1, -1, torch.tensor(9)).tolist() == [[9, 9, 9], [1, 2, 9]]
    assert shifted(x, 0, 2, torch.tensor(9)).tolist() == [[9, 9, 0], [9, 9, 3]]
    assert shifted(x, 0, 0, torch.tensor(9)).tolist() == x.tolist()


@pytest.mark.parametrize(("shift", "flip"), [(8, False), (0, True), (8, True), (32, True)])
def test_boxes_and_masks_move_with_the_pixels(shift, flip):
    given = batch()
    torch.manual_seed(3)
    found = changed_scenes(given, shift=shift, flip=flip, blank=BLANK)
    for picture, mask, things in zip(found.pictures, found.masks, found.things, strict=True):
        expected = torch.zeros_like(mask)
        for label, box in zip(things.labels.tolist(), things.boxes, strict=True):
            sides = box * 32
            assert torch.allclose(sides, sides.round(), atol=1e-4)
            left, top, right, bottom = sides.round().int().tolist()
            assert 0 <= left < right <= 32
            assert 0 <= top < bottom <= 32
            assert coloured(picture, ["blue", "red"][label])[top:bottom, left:right].all()
            expected[top:bottom, left:right] = label + 1
        assert torch.equal(mask, expected)
    assert not torch.equal(found.pictures, given.pictures)
    assert torch.equal(given.pictures, batch().pictures)  # what was given stays


def test_what_moves_in_is_blank_and_background():
    given = batch(1)
    free = SceneBatch(
        given.pictures, (Objects(torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4)),), None, given.sizes, 16
    )
    torch.manual_seed(0)
    found = changed_scenes(free, shift=8, flip=False, blank=BLANK)
    blank = (found.pictures[0] == BLANK[:, None, None]).all(0)
    rows, columns = blank.all(1).sum(), blank.all(0).sum()
    assert rows + columns > 0
    assert blank.sum() == 32 * 32 - (32 - rows) * (32 - columns)
    assert found.masks is None


def test_the_same_seed_changes_alike_and_nothing_asked_changes_nothing():
    given = batch()
    torch.manual_seed(5)
    first = changed_scenes(given, shift=8, flip=True, blank=BLANK)
    torch.manual_seed(5)
    again = changed_scenes(given, shift=8, flip=True, blank=BLANK)
    assert torch.equal(first.pictures, again.pictures)
    assert torch.equal(first.things[0].boxes, again.things[0].boxes)
    assert changed_scenes(given, shift=0, flip=False, blank=BLANK) is given


def test_every_shift_there_is_room_for_is_drawn():
    """A box of 8 in 32 that stands 2 pixels from the left: from 2 back to 3 forth."""
    things = (Objects(torch.tensor([0]), torch.tensor([[2.0, 0.0, 10.0, 32.0]]) / 32),) * 300
    plain = SceneBatch(torch.zeros(300, 3, 32, 32, dtype=torch.uint8), things, None, np.full((300, 2), 32), 16)
    torch.manual_seed(1)
    found = changed_scenes(plain, shift=3, flip=False, blank=BLANK)
    lefts = {round(float(one.boxes[0, 0]) * 32) for one in found.things}
    assert lefts == {0, 1, 2, 3, 4, 5}
    assert {round(float(one.boxes[0, 1]) * 32) for one in found.things} == {0}  # as high as the picture: no room


def test_the_blank_colour_is_the_training_parts_mean():
    setup = Setup(Settings(task="detect"), {"mean": [0.0, 0.5, 1.0]})
    assert blank_of(setup).tolist() == [0, 128, 255]
