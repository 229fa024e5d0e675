"""Segmentation from files through training to masks that say where their patches looked."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.tasks.scene_files import drawn, scenes
from tests.tasks.test_scene_changes import batch
from tests.tasks.test_scene_model import setup

from regard.app.cli import main
from regard.tasks.segment import SEGMENT
from regard.tasks.task import Asked
from regard.train.run import load_run

SMALL = {
    "image.size": 32,
    "image.patch": 8,
    "image.shift": 2,
    "core.dim": 32,
    "core.hidden": 64,
    "core.layers": 1,
    "core.heads": 2,
    "train.epochs": 12,
    "train.batch": 8,
    "train.rate": 0.005,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return scenes(tmp_path_factory.mktemp("scenes"), 60)


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run trained by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "squares"
    sets = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    assert main(["train", "segment", "--data", str(folder), "--out", str(out), *sets]) == 0
    return out


def test_a_run_learns_and_is_far_above_its_baseline(run):
    metrics = json.loads((run / "metrics.json").read_text())
    scores = {one["name"]: one["value"] for one in metrics["scores"]}
    assert list(scores) == ["mean IoU", "mask IoU"]
    assert scores["mean IoU"] > 0.8
    (usual,) = metrics["baselines"]
    assert usual["name"] == "the class that each pixel has most often"
    # background everywhere: about nine tenths of it are right, of two classes nothing
    assert usual["scores"][0]["value"] == pytest.approx(0.9 / 3, abs=0.03)
    assert usual["gain"]["low"] > 0


def test_the_commands_answer_score_and_explain(run, folder, tmp_path, capsys):
    assert main(["predict", str(run), "--data", str(folder)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 60
    assert {"row", "image", "shares", "height", "width", "mask"} == set(lines[0])
    assert all(sum(count for _, count in line["mask"]) == 32 * 32 for line in lines)
    assert main(["evaluate", str(run), "--data", str(folder)]) == 0
    assert "mean IoU" in capsys.readouterr().out
    place = next(place for place, line in enumerate(lines, 1) if len(line["shares"]) == 2)
    page = tmp_path / "page.html"
    assert main(["explain", str(run), "--data", str(folder), "--row", str(place), "--html", str(page)]) == 0
    assert "Where each thing looked" in capsys.readouterr().out
    assert page.read_text().count("<figure>") == 3  # the whole, and each class


def test_a_picture_alone_is_outlined_in_its_own_size(run, tmp_path):
    pixels, boxes, labels, _ = drawn(500, 1)
    Image.fromarray(pixels).resize((64, 96), Image.Resampling.NEAREST).save(tmp_path / "new.png")
    loaded = load_run(run)
    given = loaded.given(Asked(tmp_path, truths=False))
    (said,) = loaded.told(given)
    assert (said["height"], said["width"]) == (96, 64)
    names = [name for name, count in said["mask"] for _ in range(count)]
    left, top, *_ = boxes[0]
    assert names[(top + 4) * 3 * 64 + (left + 4) * 2] == labels[0]
    assert said["shares"][labels[0]] == pytest.approx(64 / 1024, rel=0.4)
    found = loaded.explain(given, 0)
    assert found.answer.startswith(f"{labels[0]} (")
    assert [sum(row) for row in found.alignment.weights] == pytest.approx([1] * len(found.alignment.written), abs=1e-4)


class Fixed(torch.nn.Module):
    """Says the same of every picture: logits (classes, height, width)."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, pictures):
        return self.logits.expand(len(pictures), *self.logits.shape)


def test_losses_and_answers_by_hand():
    asked, given = setup(SEGMENT), batch(3)
    even = Fixed(torch.zeros(3, 32, 32)).eval()
    outcome = SEGMENT.judge(even, given, asked)
    assert outcome.units == 3
    assert outcome.losses.tolist() == pytest.approx([np.log(3)] * 3, rel=1e-5)
    logits = torch.zeros(3, 32, 32)
    logits[2, :16] = 1  # "red" above the middle, background below
    (first, *_) = SEGMENT.answer(Fixed(logits), given, asked)
    assert first[:16].tolist() == [[2] * 32] * 16
    assert not first[16:].any()
    told = SEGMENT.tell(Fixed(logits), given, asked)[0]
    assert told == {"shares": {"red": 0.5}, "height": 32, "width": 32, "mask": [["red", 512], [None, 512]]}
