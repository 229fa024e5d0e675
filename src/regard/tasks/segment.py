"""Segmentation: what each pixel of a picture is part of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from regard.tasks.baselines.scenes import most_frequent_mask
from regard.tasks.detect import SCENES, UNUSED
from regard.tasks.scene_changes import blank_of, changed_scenes
from regard.tasks.scene_data import SceneBatch, digest_scenes, prepare_scenes, read_more_scenes, resized
from regard.tasks.scene_looks import explain_outlined
from regard.tasks.scene_model import Outliner
from regard.tasks.scores.masks import mask_iou, mean_iou
from regard.tasks.scores.measure import Measure
from regard.tasks.sections import ImageSettings
from regard.tasks.settings import changed
from regard.tasks.task import Outcome, Prepared, Setup, Task


def _judge(model: nn.Module, batch: SceneBatch, setup: Setup) -> Outcome:
    """Cross-entropy, one loss a scene: the mean over its pixels."""
    if model.training:
        image = setup.settings.section(ImageSettings)
        batch = changed_scenes(batch, shift=image.shift, flip=image.flip, blank=blank_of(setup))
    assert batch.masks is not None
    losses = F.cross_entropy(model(batch.pictures).float(), batch.masks, reduction="none").mean((1, 2))
    return Outcome(losses, len(batch))


def _answer(model: nn.Module, batch: SceneBatch, setup: Setup) -> Sequence[NDArray[np.uint16]]:
    """Each pixel's class (height, width) in the file's own size: 0 for background, label + 1 for others."""
    found = model(batch.pictures).argmax(1).cpu().numpy().astype(np.uint16)
    return [resized(one, (height, width)) for one, (width, height) in zip(found, batch.sizes.tolist(), strict=True)]


def _tell(model: nn.Module, batch: SceneBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """Of each scene the share of its pixels that each label has, and the mask itself: row by row, stretches of
    [label, or null for background, pixels]."""
    names = [None, *setup.facts["labels"]]
    told = []
    for one in _answer(model, batch, setup):
        flat = one.ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=flat[0] + 1))
        counts = np.diff(starts, append=len(flat)).tolist()
        runs = [[names[flat[at]], count] for at, count in zip(starts.tolist(), counts, strict=True)]
        shares = {str(names[label]): float((flat == label).mean()) for label in np.unique(flat) if label}
        told.append({"shares": shares, "height": one.shape[0], "width": one.shape[1], "mask": runs})
    return told


def _measures(setup: Setup) -> tuple[Measure, ...]:
    """Mean over classes, background included; then what is no background, whichever its class."""
    return mean_iou(len(setup.facts.get("labels", ())) + 1), mask_iou


def _baselines(data: Prepared) -> Mapping[str, Any]:
    whole = data.train.batch(np.arange(len(data.train)))
    usual = most_frequent_mask(list(whole.masks.numpy()), len(data.setup.facts["labels"]) + 1)
    return {"the class that each pixel has most often": [resized(usual, one.shape) for one in data.test.truths]}


SEGMENT = Task(
    name="segment",
    about="what each pixel of a picture is part of (by default composed scenes of emoji)",
    example="regard train segment --data examples/scenes",
    beside="for each pixel the class that it has most often",
    takes="about 7 minutes on two cores (estimated from processor time)",
    files="a folder with scenes.jsonl: picture, boxes in pixels, labels and mask a line",
    presets={"transformer": changed(SCENES, {"task": "segment", "finding": None})},
    digest=digest_scenes,
    prepare=prepare_scenes(masks=True),
    build=Outliner,
    judge=_judge,
    answer=_answer,
    measures=_measures,
    baselines=_baselines,
    unused=UNUSED,
    roles=("image",),
    read=read_more_scenes(masks=True),
    tell=_tell,
    explain=explain_outlined,
    heads=("spread", "detail", "join", "classes"),
)
