"""Hidden patches: fixed by the row where they are scored, drawn where they are learned, and a start for `images`."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from regard.tasks.event import unheard
from regard.tasks.images import IMAGES
from regard.tasks.masked_images import MASKED_IMAGES
from regard.tasks.sections import DataSettings
from regard.tasks.settings import changed
from regard.train.training import train_run


@pytest.fixture
def folder(tmp_path):
    """Pictures that are bright or dark all over, a little uneven: any patch tells the others."""
    for kind in ("bright", "dark"):
        (tmp_path / "pictures" / kind).mkdir(parents=True)
        for number in range(40):
            draw = np.random.default_rng((number, kind == "dark"))
            level = draw.integers(20, 80) + (150 if kind == "bright" else 0)
            shown = (level + draw.integers(0, 10, (8, 8))).astype(np.uint8)
            Image.fromarray(shown).save(tmp_path / "pictures" / kind / f"{number}.png")
    return tmp_path / "pictures"


def settings(task, preset, folder, **more):
    asked = {
        "data": DataSettings(path=str(folder)).model_dump(),
        "image.stem": "patches",
        "image.size": 8,
        "image.patch": 4,
        "image.shift": 0,
        "core.dim": 16,
        "core.hidden": 32,
        "core.layers": 1,
        "core.dropout": 0,
        "train.epochs": 15,
        "train.batch": 16,
        "train.rate": 0.01,
    }
    return changed(task.settings(preset), asked | more)


def test_half_of_the_patches_are_hidden_the_same_ones_each_time(folder):
    data = MASKED_IMAGES.prepare(settings(MASKED_IMAGES, "digits", folder), None, unheard)
    whole, one = data.test.batch(np.arange(len(data.test))), data.test.batch(np.array([3]))
    assert whole.hidden.sum(1).tolist() == [2] * len(data.test)
    assert torch.equal(whole.hidden[3], one.hidden[0])
    pixels = MASKED_IMAGES.build(data.setup).eval().front.pixels(one.pictures)
    assert np.allclose(data.test.truths[3], pixels[0][one.hidden[0]].detach().numpy())
    assert data.test.truths[3].shape == (2, 16)


def test_it_learns_what_the_other_patches_tell(folder, tmp_path):
    result = train_run(settings(MASKED_IMAGES, "digits", folder), tmp_path / "run")
    assert result.scores[0].better == "lower"
    assert result.scores[0].value < 0.2  # of pixels whose variance is 1
    assert result.baselines[0].scores[0].value > 0.5
    assert result.baselines[0].beaten_by(result.scores[0])


def test_training_hides_others_at_every_step(folder):
    data = MASKED_IMAGES.prepare(settings(MASKED_IMAGES, "digits", folder), None, unheard)
    model, batch = MASKED_IMAGES.build(data.setup), data.train.batch(np.arange(8))
    torch.manual_seed(0)
    first, second = (MASKED_IMAGES.judge(model.train(), batch, data.setup).losses for _ in range(2))
    assert not torch.equal(first, second)
    still = [MASKED_IMAGES.judge(model.eval(), batch, data.setup).losses for _ in range(2)]
    assert torch.equal(*still)
    assert first.shape == (16,)


def test_its_weights_are_a_start_for_images(folder, tmp_path):
    train_run(settings(MASKED_IMAGES, "digits", folder, **{"train.epochs": 1}), tmp_path / "masked")
    begun = settings(
        IMAGES, "digits", folder, **{"train.epochs": 1, "image.flip": False, "train.init": str(tmp_path / "masked")}
    )
    train_run(begun, tmp_path / "run")
    init = json.loads((tmp_path / "run" / "config.json").read_text())["init"]
    assert {"front.project.weight", "encoder.blocks.0.attention.query.weight"} <= set(init["taken"])
    assert all(name.startswith("head.") for name in init["left"])
    assert init["unused"] == ["guess.bias", "guess.weight", "shown"]
