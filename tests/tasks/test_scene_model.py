"""The models of scenes: whose middle a patch holds, what queries begin from, shapes, and gradients everywhere."""

import math

import pytest
import torch

from regard.nn.front_ends import ConvFrontEnd, PatchFrontEnd
from regard.nn.heads import Objects
from regard.tasks.detect import DETECT
from regard.tasks.scene_model import (
    Finder,
    Found,
    Outliner,
    guide_loss,
    held,
    nearness,
    scene_front_end,
    spread_places,
)
from regard.tasks.segment import SEGMENT
from regard.tasks.settings import changed
from regard.tasks.task import Setup

SMALL = {"image.size": 32, "core.dim": 16, "core.hidden": 32, "core.layers": 2}
FACTS = {"labels": ["blue", "red"], "mean": [0.5] * 3, "deviation": [0.25] * 3}
# middles of 2 x 2 patches, row by row
FOUR = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])


def setup(task, **more):
    return Setup(changed(task.settings(), {**SMALL, **more}), FACTS)


def things(*boxes):
    rows = torch.tensor([box[:4] for box in boxes]).reshape(-1, 4).float()
    return Objects(torch.tensor([box[4] for box in boxes], dtype=torch.int64), rows)


def test_whose_middle_a_patch_holds_by_hand():
    none = 7
    # the whole picture: its inner half reaches from .25 to .75, both ends in it
    assert held(things((0, 0, 1, 1, 3)), FOUR, none).tolist() == [3, 3, 3, 3]
    # inner half from .4 to .8: the last patch alone, though the others lie in the box too
    assert held(things((0.2, 0.2, 1, 1, 5)), FOUR, none).tolist() == [none, none, none, 5]
    # a small one: no patch's middle lies in its inner half, so the nearest holds it
    assert held(things((0.8, 0.8, 0.9, 0.9, 1)), FOUR, none).tolist() == [none, none, none, 1]
    # of two the smaller
    assert held(things((0, 0, 1, 1, 3), (0.1, 0.1, 0.5, 0.5, 2)), FOUR, none).tolist() == [2, 3, 3, 3]
    assert held(things(), FOUR, none).tolist() == [none] * 4


def test_the_guide_is_a_weighted_cross_entropy():
    """Even chances of three: every patch costs ln 3, however they are weighed; and one patch that is sure costs 0."""
    logits = torch.zeros(1, 4, 3)
    found = Found((), logits, FOUR)
    there = (things((0.1, 0.1, 0.5, 0.5, 1)),)
    assert float(guide_loss(found, there, none=0.1)) == pytest.approx(math.log(3))
    logits[0, 0, 1] = 100  # the only patch that holds something: of 1 + 3 * .1 the 1
    assert float(guide_loss(found, there, none=0.1)) == pytest.approx(0.3 / 1.3 * math.log(3))
    assert float(guide_loss(found, (things(),), none=0.1)) == pytest.approx((100 + 3 * math.log(3)) / 4, rel=1e-4)


def test_places_are_spread_row_by_row():
    assert spread_places(1).tolist() == [[0.5, 0.5]]
    assert spread_places(4).tolist() == [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    five = spread_places(5)  # two rows, of two and of three
    assert five[:, 1].tolist() == [0.25] * 2 + [0.75] * 3
    assert five[2:, 0].tolist() == pytest.approx([1 / 6, 0.5, 5 / 6])


def test_heads_look_from_near_to_everywhere():
    """From the middle of the first of 2 x 2 patches, half a side from the next: -.25 / (2 * .1^2), then at .2."""
    found = nearness(torch.tensor([[0.25, 0.25]]), FOUR, 3)
    assert found.shape == (1, 3, 1, 4)
    assert found[0, 0, 0].tolist() == pytest.approx([0, -12.5, -12.5, -25])
    assert found[0, 1, 0].tolist() == pytest.approx([0, -3.125, -3.125, -6.25])
    assert found[0, 2, 0].tolist() == [0] * 4
    assert nearness(torch.tensor([[0.25, 0.25]]), FOUR, 1).tolist() == [[[[0] * 4]]]


def test_boxes_begin_around_their_queries_places():
    found = Finder(setup(DETECT, **{"finding.queries": 4}))(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))
    boxes = found.layers[0].boxes[0]
    assert ((boxes[:, :2] + boxes[:, 2:]) / 2).flatten().tolist() == pytest.approx(spread_places(4).flatten().tolist())


@pytest.mark.parametrize("stem", ["convolution", "patches"])
def test_each_layer_answers_for_each_query(stem):
    model = Finder(setup(DETECT, **{"finding.queries": 5, "image.stem": stem}))
    found = model(torch.zeros(3, 3, 32, 32, dtype=torch.uint8))
    assert [one.boxes.shape for one in found.layers] == [(3, 5, 4)] * 2
    assert found.layers[-1].logits.shape == (3, 5, 3)
    assert found.patches.shape == (3, 16, 3)
    assert found.middles.shape == (16, 2)
    assert isinstance(model.front, ConvFrontEnd if stem == "convolution" else PatchFrontEnd)


def test_pictures_are_not_changed_by_the_front_end_which_knows_no_boxes():
    front = scene_front_end(setup(DETECT, **{"image.shift": 8, "image.flip": True}))
    pictures = torch.randint(0, 255, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(front.train()(pictures).tokens, front.eval()(pictures).tokens)


@pytest.mark.parametrize("size", [32, 36])
def test_the_outliner_answers_for_each_pixel(size):
    model = Outliner(setup(SEGMENT, **{"image.size": size}))
    logits = model(torch.zeros(2, 3, size, size, dtype=torch.uint8))
    assert logits.shape == (2, 3, size, size)
    logits.square().sum().backward()
    assert all(one.grad is not None for one in model.parameters())


def test_every_weight_of_the_finder_is_trained():
    asked = setup(DETECT, **{"finding.queries": 5})
    model = Finder(asked).train()
    from tests.tasks.test_scene_changes import batch

    DETECT.judge(model, batch(4), asked).losses.sum().backward()
    assert [name for name, one in model.named_parameters() if one.grad is None] == []
