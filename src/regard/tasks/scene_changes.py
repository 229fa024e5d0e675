"""Random changes to scenes in training that move boxes and masks along with the picture."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from regard.nn.front_ends.draws import uniform
from regard.nn.heads import Objects
from regard.tasks.scene_data import SceneBatch
from regard.tasks.task import Setup


def changed_scenes(batch: SceneBatch, *, shift: int, flip: bool, blank: Tensor) -> SceneBatch:
    """Every scene shifted by up to `shift` pixels each way, but only so far that no box leaves the picture, and with
    `flip` half of them mirrored. What moves in has the colour `blank` (channels,) uint8, and is background.

    Random numbers are torch's own on the CPU: the same on every device for one seed.
    """
    if not shift and not flip:
        return batch
    draws = uniform(3, len(batch), generator=None)
    pictures, things, masks = batch.pictures.clone(), list(batch.things), batch.masks
    masks = None if masks is None else masks.clone()
    height, width = pictures.shape[2:]
    for row, one in enumerate(batch.things):
        across = _steps(float(draws[0, row]), shift, *_room(one.boxes[:, 0], one.boxes[:, 2], width))
        down = _steps(float(draws[1, row]), shift, *_room(one.boxes[:, 1], one.boxes[:, 3], height))
        pictures[row] = shifted(pictures[row], down, across, blank.to(pictures.device)[:, None, None])
        if masks is not None:
            masks[row] = shifted(masks[row], down, across, masks.new_zeros(()))
        boxes = one.boxes + one.boxes.new_tensor([across / width, down / height] * 2)
        if flip and float(draws[2, row]) < 0.5:
            pictures[row] = pictures[row].flip(-1)
            if masks is not None:
                masks[row] = masks[row].flip(-1)
            boxes = torch.stack((1 - boxes[:, 2], boxes[:, 1], 1 - boxes[:, 0], boxes[:, 3]), -1)
        things[row] = Objects(one.labels, boxes)
    return replace(batch, pictures=pictures, things=tuple(things), masks=masks)


def shifted(x: Tensor, down: int, across: int, blank: Tensor) -> Tensor:
    """(..., height, width) moved by whole pixels; `blank`, which broadcasts to x, moves in."""
    height, width = x.shape[-2:]
    moved = blank.expand_as(x).clone()
    moved[..., max(down, 0) : height + min(down, 0), max(across, 0) : width + min(across, 0)] = x[
        ..., max(-down, 0) : height - max(down, 0), max(-across, 0) : width - max(across, 0)
    ]
    return moved


def _room(low: Tensor, high: Tensor, size: int) -> tuple[int, int]:
    """How many whole pixels boxes may move towards 0, and towards `size`: sides (boxes,) in fractions."""
    if not len(low):
        return size, size
    edge = 1e-4  # of a pixel, for the rounding of fractions
    return int(float(low.min()) * size + edge), int((1 - float(high.max())) * size + edge)


def _steps(draw: float, most: int, back: int, forth: int) -> int:
    """A whole number of pixels from -most to most, each as likely, as far as there is room; draw in [0, 1)."""
    low, high = -min(most, back), min(most, forth)
    return low + min(int(draw * (high - low + 1)), high - low)


def blank_of(setup: Setup) -> Tensor:
    """The mean colour of a run's training part, (channels,) uint8."""
    return (torch.tensor(setup.facts["mean"]) * 255).round().to(torch.uint8)
