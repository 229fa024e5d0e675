"""Detection from files through training to boxes that say where their query looked."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tasks.scene_files import drawn, scenes
from tests.tasks.test_scene_changes import batch
from tests.tasks.test_scene_model import FACTS, setup, things

from regard.app.cli import main
from regard.nn.heads import FoundBoxes
from regard.tasks.detect import DETECT
from regard.tasks.scene_model import Found
from regard.tasks.task import Asked
from regard.train.run import load_run
from regard.train.training import train_run

SMALL = {
    "image.size": 32,
    "image.patch": 8,
    "image.shift": 2,
    "finding.queries": 6,
    "core.dim": 64,
    "core.hidden": 128,
    "core.layers": 2,
    "core.heads": 2,
    "train.epochs": 30,
    "train.batch": 8,
    "train.rate": 0.002,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return scenes(tmp_path_factory.mktemp("scenes"), 90)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "detect", "--data", str(folder), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_and_is_far_above_its_baseline(run):
    metrics = json.loads((run / "metrics.json").read_text())
    scores = {one["name"]: one for one in metrics["scores"]}
    assert list(scores) == ["mAP@.5", "mAP@[.5:.95]"]
    assert scores["mAP@.5"]["value"] > 0.5
    assert "scenes:composed" not in scores["mAP@.5"]["protocol"]  # its own data are no set of ours
    (usual,) = metrics["baselines"]
    assert usual["name"] == "the mean box of each class"
    assert usual["gain"]["low"] > 0


def test_the_commands_answer_score_and_explain(run, folder, tmp_path, capsys):
    assert main(["predict", str(run), "--data", str(folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 90
    assert {"row", "image", "things"} == set(lines[0])
    found = [thing for line in lines for thing in line["things"]]
    assert {one["label"] for one in found} == {"red", "blue"}
    assert all(one["probability"] >= 0.5 and len(one["box"]) == 4 for one in found)
    assert main(["evaluate", str(run), "--data", str(folder)]) == 0
    assert "mAP@.5" in capsys.readouterr().out
    place = next(place for place, line in enumerate(lines, 1) if len(line["things"]) == 2)
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(folder), "--row", str(place), "--html", str(page)]) == 0
    said = capsys.readouterr().out
    assert "The picture in 4 x 4 patches" in said
    assert "Where each thing looked" in said
    assert page.read_text().count("<figure>") == 3  # the whole, and each thing


def test_a_picture_alone_is_answered_with_boxes_in_its_own_pixels(run, tmp_path):
    pixels, boxes, labels, _ = drawn(500, 1)
    large = Image.fromarray(pixels).resize((64, 96), Image.Resampling.NEAREST)
    large.save(tmp_path / "new.png")
    loaded = load_run(run)
    given = loaded.given(Asked(tmp_path, truths=False))
    (said,) = loaded.told(given)
    best = said["things"][0]
    left, top, right, bottom = boxes[0]
    assert best["label"] == labels[0]
    assert np.abs(np.array(best["box"]) - np.array([left * 2, top * 3, right * 2, bottom * 3])).max() < 12
    found = loaded.explain(given, 0)
    assert found.answer.startswith(f"{labels[0]} ")
    assert len(found.units) == 16
    assert [sum(row) for row in found.alignment.weights] == pytest.approx([1] * len(found.alignment.written), abs=1e-4)
    with Image.open(io.BytesIO(found.picture.png)) as drawn_on:
        assert drawn_on.size == (384, 384)
        assert (np.asarray(drawn_on) == 255).all(-1).sum() > 100  # the white line of a box


def test_the_loss_is_a_mean_over_the_batch_whatever_its_size():
    """A model that is right everywhere but unsure of the class: ln 3 for each layer, and the guide's ln 3 beside it."""
    asked = setup(DETECT, **{"finding.guide": 2.0, "finding.queries": 1})
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 0.5]]])
    two = batch(2)
    one = things((0, 0, 0.5, 0.5, 1))

    class Right(torch.nn.Module):
        def forward(self, pictures):
            count = len(pictures)
            layer = FoundBoxes(torch.zeros(count, 1, 3), boxes.expand(count, 1, 4))
            return Found((layer, layer), torch.zeros(count, 4, 3), torch.rand(4, 2))

    from dataclasses import replace

    outcome = DETECT.judge(Right().eval(), replace(two, things=(one, one)), asked)
    assert outcome.units == 2
    assert float(outcome.losses.sum()) / 2 == pytest.approx(3 * np.log(3), rel=1e-5)
    assert FACTS["labels"] == ["blue", "red"]


def test_a_run_is_the_same_again_with_its_random_changes(folder, tmp_path):
    from regard.app.asked import asked_settings

    sets = [f"{name}={value}" for name, value in {**SMALL, "train.epochs": 1}.items()]
    settings = asked_settings(DETECT, path=folder, assignments=sets)
    for name in ("a", "b"):
        train_run(settings, tmp_path / name)
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b")]
    assert weights[0] == weights[1]
