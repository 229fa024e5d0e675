"""Detection: which things are in a picture, and where: a class and a box for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from regard.nn.heads import SetLoss
from regard.tasks.baselines.scenes import constant_boxes
from regard.tasks.scene_changes import blank_of, changed_scenes
from regard.tasks.scene_data import SceneBatch, digest_scenes, prepare_scenes, read_more_scenes
from regard.tasks.scene_looks import LEAST, explain_found
from regard.tasks.scene_model import Finder, guide_loss
from regard.tasks.scores.boxes import MAP_50_95, Boxes, mean_average_precision
from regard.tasks.sections import CoreSettings, DataSettings, FindingSettings, ImageSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Outcome, Prepared, Setup, Task

_LOSS = SetLoss()


def _judge(model: nn.Module, batch: SceneBatch, setup: Setup) -> Outcome:
    """The mean over layers of the loss on the set of things, and the guide's: both are means over the batch."""
    if model.training:
        image = setup.settings.section(ImageSettings)
        batch = changed_scenes(batch, shift=image.shift, flip=image.flip, blank=blank_of(setup))
    found, things = model(batch.pictures), list(batch.things)
    whole = torch.stack([_LOSS.of(layer, things).total for layer in found.layers]).mean()
    guide = guide_loss(found, things, none=_LOSS.none) * setup.settings.section(FindingSettings).guide
    return Outcome((whole + guide) * len(batch), len(batch))


def _answer(model: nn.Module, batch: SceneBatch, setup: Setup, least: float = 0.0) -> Sequence[Boxes]:
    """Of each scene what each query says, however unsure, in the file's own pixels."""
    last = model(batch.pictures).layers[-1]
    answers = []
    for item, (width, height) in enumerate(batch.sizes.tolist()):
        things, chances = last.objects(item, least=least)
        places = things.boxes.double().cpu().numpy() * (width, height, width, height)
        answers.append(Boxes(places, things.labels.cpu().numpy(), chances.double().cpu().numpy()))
    return answers


def _tell(model: nn.Module, batch: SceneBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each scene the things that are there with a probability of a half or more, surest first."""
    return [{"things": _things(one, setup.facts["labels"])} for one in _answer(model, batch, setup, LEAST)]


def _things(found: Boxes, labels: Sequence[str]) -> list[dict[str, Any]]:
    assert found.scores is not None
    rows = zip(found.places.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True)
    return [
        {"label": labels[label], "probability": chance, "box": [round(side, 1) for side in place]}
        for place, label, chance in rows
    ]


def _baselines(data: Prepared) -> Mapping[str, Any]:
    sizes = [part.batch(np.arange(len(part))).sizes for part in (data.train, data.test)]
    return {"the mean box of each class": constant_boxes(data.train.truths, *sizes)}  # type: ignore[union-attr]


SCENES = Settings(
    task="detect",
    data=DataSettings(source="emoji-scenes", test_source="emoji-scenes-test", validation_rows=400),
    image=ImageSettings(size=96, channels=3, patch=8, shift=8, flip=True),
    finding=FindingSettings(queries=16),
    core=CoreSettings(kind="transformer", dim=64, hidden=128, layers=3, dropout=0.0),
    train=TrainSettings(epochs=16, batch=32, rate=2e-3, weight_decay=0.05),
)
UNUSED = ("core.budget", "core.dropout", "core.token_dropout", "train.focus", "train.label_smoothing")

DETECT = Task(
    name="detect",
    about="which things are in a picture, and where: a class and a box each (by default composed scenes of emoji)",
    example="regard train detect --data examples/scenes",
    beside="for each class the mean of its boxes, wherever it is",
    takes="about 6 minutes on two cores (estimated from processor time)",
    files="a folder with scenes.jsonl: picture, boxes in pixels and labels a line",
    presets={"transformer": SCENES},
    digest=digest_scenes,
    prepare=prepare_scenes(masks=False),
    build=Finder,
    judge=_judge,
    answer=_answer,
    measures=lambda setup: (mean_average_precision(), mean_average_precision(MAP_50_95)),
    baselines=_baselines,
    unused=UNUSED,
    roles=("image",),
    read=read_more_scenes(masks=False),
    tell=_tell,
    explain=explain_found,
    heads=("queries", "boxes", "guide"),
)
