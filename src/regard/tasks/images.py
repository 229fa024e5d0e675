"""Image classification: pictures in folders by class, or in a table; convolutions or patches below the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from regard.tasks.baselines.labels import logistic, most_frequent
from regard.tasks.classes import judge_classes, measures_of_classes, tell_classes
from regard.tasks.classifier import Classifier, explain_classes
from regard.tasks.explained import Explained
from regard.tasks.image_data import digest_images, image_front_end, prepare_images, read_more
from regard.tasks.picture_alignment import picture_shown
from regard.tasks.sections import CoreSettings, DataSettings, ImageSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Setup, Task


def _build(setup: Setup) -> Classifier:
    return Classifier(image_front_end(setup), setup.settings.core, classes=len(setup.facts["labels"]))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    known, asked = (part.batch(np.arange(len(part))) for part in (data.train, data.test))
    labels = data.setup.facts["labels"]
    usual = most_frequent([row.label for row in data.rows.train])
    plain = logistic(known.inputs[0].numpy(), known.targets.numpy(), asked.inputs[0].numpy())
    return {
        f"always {usual!r}": np.full(len(data.test), labels.index(usual)),
        "logistic regression on pixels": plain,
    }


def _explain(model: nn.Module, batch: Any, setup: Setup) -> Explained:
    """The patches that the pooling drew on, and the picture that they lie on."""
    assert isinstance(model, Classifier)
    return replace(explain_classes(model, batch, setup), picture=picture_shown(model.front, batch.inputs[0]))


_CLOTHES = Settings(
    task="images",
    data=DataSettings(source="fashion-mnist", test_source="fashion-mnist-test", validation_rows=5000),
    image=ImageSettings(size=28, channels=1, patch=4, flip=True),
    core=CoreSettings(kind="transformer", dim=64, hidden=128, layers=2, dropout=0.1),
    train=TrainSettings(epochs=6, batch=64, weight_decay=0.05),
)
_SMALL = {"image.size": 8, "image.patch": 2, "image.shift": 1, "image.flip": False}
_LONGER = {"core.layers": 3, "train.epochs": 60, "train.batch": 128}
_DIGITS = changed(_CLOTHES, {"data": DataSettings(source="digits", test_rows=540).model_dump(), **_SMALL, **_LONGER})

IMAGES = Task(
    name="images",
    about="one of several classes: pictures of any kind, cut into tokens by convolutions or patches",
    example="regard train images --core digits",
    beside="always the most frequent class; logistic regression on pixels",
    takes="about 4 minutes on two cores (estimated from processor time)",
    files="a folder with one folder a class, or parquet, csv or jsonl with a column of pictures and a column of labels",
    presets={"fashion": _CLOTHES, "digits": _DIGITS, "patches": changed(_CLOTHES, {"image.stem": "patches"})},
    digest=digest_images,
    prepare=prepare_images,
    build=_build,
    judge=judge_classes,
    measures=measures_of_classes,
    baselines=_baselines,
    unused=("core.budget", "core.token_dropout"),
    roles=("image", "label"),
    read=read_more,
    tell=tell_classes,
    explain=_explain,
    heads=("head",),
)
