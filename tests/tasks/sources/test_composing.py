"""Composed scenes: boxes and masks say what can be seen, and the same numbers make the same scene."""

import numpy as np
import pytest
from numpy.random import RandomState
from PIL import Image, ImageDraw

from regard.tasks.sources import composing
from regard.tasks.sources.composing import MOST, compose, extents


def disc(colour):
    """A disc of 40 pixels in the middle of 64, and nothing around it."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((12, 12, 51, 51), fill=colour)
    return picture


SHELF = {"red": [disc((255, 0, 0, 255))], "green": [disc((0, 255, 0, 255))]}


def scenes(count):
    return [compose(SHELF, RandomState([5, number])) for number in range(count)]


def test_boxes_are_those_of_the_mask_and_every_thing_has_one():
    for scene in scenes(50):
        assert scene.picture.shape == (96, 96, 3)
        assert scene.mask.shape == (96, 96)
        assert set(np.unique(scene.mask)) - {0} == set(range(1, len(scene.boxes) + 1))
        assert 1 <= len(scene.boxes) == len(scene.labels) <= MOST
        for number, (left, top, right, bottom) in enumerate(scene.boxes, start=1):
            rows, columns = np.nonzero(scene.mask == number)
            assert (left, top, right, bottom) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_what_the_mask_calls_a_thing_has_its_colour():
    for scene in scenes(50):
        for number, label in enumerate(scene.labels, start=1):
            inside = scene.picture[scene.mask == number].astype(int)
            strong = inside[:, 0] - inside[:, 1] if label == "red" else inside[:, 1] - inside[:, 0]
            assert (strong > 0).mean() > 0.95  # a soft edge takes something of what lies behind
            assert strong.mean() > 200


def test_covered_things_stay_visible(monkeypatch):
    """Discs that cannot be told apart by size: of each at least 60 % of the pixels of a whole one are seen."""
    monkeypatch.setattr(composing, "SHORTEST", 40)
    monkeypatch.setattr(composing, "LONGEST", 40)
    whole = np.pi * 20**2
    covered = 0
    for scene in scenes(50):
        shown = np.bincount(scene.mask.ravel())[1:]
        assert (shown >= 0.97 * 0.6 * whole).all()  # 0.97: a disc of pixels is not quite a disc
        covered += int((shown < 0.9 * whole).sum())
    assert covered > 5  # and some are covered


def test_a_thing_that_finds_no_place_is_left_out_and_the_others_are_numbered_without_it(monkeypatch):
    tried = []

    def place(*arguments):
        tried.append(arguments)
        return None if len(tried) == 1 else found(*arguments)

    found = composing._place
    monkeypatch.setattr(composing, "_place", place)
    placed = 0
    for number in range(9):
        tried.clear()
        scene = compose(SHELF, RandomState([5, number]))
        assert len(scene.boxes) == len(tried) - 1
        assert set(np.unique(scene.mask)) == set(range(len(scene.boxes) + 1))
        placed += len(scene.boxes)
    assert placed > 5


def test_things_differ_in_size_and_number():
    sides = {right - left for scene in scenes(50) for left, _, right, _ in scene.boxes}
    assert min(sides) <= 26
    assert max(sides) >= 46
    assert {len(scene.boxes) for scene in scenes(50)} == {1, 2, 3, 4, 5}


def test_the_same_numbers_make_the_same_scene():
    first, again, other = (compose(SHELF, RandomState(seed)) for seed in (3, 3, 4))
    assert (first.picture == again.picture).all()
    assert (first.mask == again.mask).all()
    assert first.boxes == again.boxes
    assert (first.picture != other.picture).any()


def test_backgrounds_differ_and_are_neither_black_nor_white_throughout():
    found = [composing.background(RandomState(seed), 32) for seed in range(40)]
    assert len({picture.tobytes() for picture in found}) == 40
    assert all(picture.shape == (32, 32, 3) and picture.dtype == np.uint8 for picture in found)
    flat = sum(bool((picture == picture[0, 0]).all()) for picture in found)
    assert flat <= 2


@pytest.mark.parametrize("size", [(1, 1), (3, 2)])
def test_the_box_around_pixels(size):
    shown = np.zeros((5, 7), dtype=bool)
    shown[1 : 1 + size[0], 2 : 2 + size[1]] = True
    assert extents(shown) == (2, 1, 2 + size[1], 1 + size[0])


def test_a_thing_larger_than_the_scene_is_left_out():
    scene = compose(SHELF, RandomState(0), side=20)
    assert scene.boxes == ()
    assert (scene.mask == 0).all()
