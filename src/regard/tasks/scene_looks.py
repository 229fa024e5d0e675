"""Where a model looked in a scene: for each thing that was found, or for each class that was outlined."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from regard.lens import Layer, watch
from regard.tasks.explained import Alignment, Explained, Picture, Weighed
from regard.tasks.picture_alignment import picture_shown
from regard.tasks.scene_data import SceneBatch
from regard.tasks.scene_model import Finder, Outliner
from regard.tasks.task import Setup

LEAST = 0.5  # probability from which a thing counts as found
_SHOWN = 384  # pixels a side, at least, of a picture that boxes are drawn on


def explain_found(model: nn.Module, batch: SceneBatch, setup: Setup) -> Explained:
    """What is found in a batch of one scene, and where the query of each thing looked: its attention to the patches,
    mean over layers and heads. Where nothing is found: that of all queries."""
    assert isinstance(model, Finder)
    bins = (len(model.queries.vectors), len(model.middles))  # one for each query and patch: the weights themselves
    with watch(model, bins=bins, layers="*context_attention") as seen:
        found = model(batch.pictures).layers[-1]
    looked = _mean_map(seen.trace().layers)
    chances, labels = found.logits[0].float().softmax(-1)[:, :-1].max(-1)
    order = [one for one in chances.argsort(descending=True, stable=True).tolist() if chances[one] >= LEAST]
    names = [f"{setup.facts['labels'][int(labels[one])]} {float(chances[one]):.2f}" for one in order]
    how = "the queries' attention to the patches, mean over layers and heads"
    shown = _boxed(picture_shown(model.front, batch.pictures), found.boxes[0][order].clamp(0, 1))
    return _explained(model, batch, looked[order] if order else looked, names, how, shown)


def explain_outlined(model: nn.Module, batch: SceneBatch, setup: Setup) -> Explained:
    """What a batch of one scene shows, and for each class where its patches looked: their attention to each other, mean
    over layers, heads and the class's pixels. Where there is background alone: that of all patches."""
    assert isinstance(model, Outliner)
    shape = model.front.units(*batch.pictures.shape[2:]).shape
    with watch(model, bins=(shape[0] * shape[1],) * 2) as seen:
        classes = model(batch.pictures)[0].argmax(0)
    looked = _mean_map(seen.trace().layers)
    there = [one for one in classes.unique().tolist() if one]
    shares = torch.stack([_share(classes == one, shape) for one in there] or [torch.ones(len(looked))])
    weights = shares / shares.sum(1, keepdim=True) @ looked
    names = [f"{setup.facts['labels'][one - 1]} ({float((classes == one).float().mean()):.0%})" for one in there]
    how = "the patches' attention to each other, mean over layers, heads and each class's pixels"
    return _explained(model, batch, weights, names, how, picture_shown(model.front, batch.pictures))


def _explained(
    model: Finder | Outliner, batch: SceneBatch, looked: Tensor, names: list[str], how: str, shown: Picture
) -> Explained:
    """looked (things, patches): a row for each name; where there is none, of whatever looked."""
    units = [one.words() for one in model.front.units(*batch.pictures.shape[2:]).of(0, looked.shape[1])]
    rows = looked / looked.sum(1, keepdim=True)
    weighed = tuple(Weighed(unit, share) for unit, share in zip(units, rows.mean(0).tolist(), strict=True))
    each = Alignment(tuple(names), tuple(map(tuple, rows.tolist())), "thing") if names else None
    return Explained(", ".join(names) or "nothing found", weighed, "patch", how, each, shown)


def _mean_map(layers: Sequence[Layer]) -> Tensor:
    """(queries, keys): the weights of the first item, mean over layers and heads."""
    maps = [one.map[0].mean(0) for one in layers if one.map is not None]
    return torch.stack(maps).mean(0)


def _share(mask: Tensor, shape: tuple[int, int]) -> Tensor:
    """(patches,) share of each patch's pixels that a mask (height, width) covers."""
    return adaptive_avg_pool2d(mask.float()[None], shape).flatten()


def _boxed(picture: Picture, boxes: Tensor) -> Picture:
    """The picture with boxes (n, 4), in fractions, drawn on it; enlarged so that lines are thin."""
    from PIL import Image, ImageDraw

    with Image.open(io.BytesIO(picture.png)) as opened:
        small = opened.convert("RGB")
    times = max(1, -(-_SHOWN // max(small.size)))
    large = small.resize((small.width * times, small.height * times), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large)
    for box in boxes.tolist():
        place = [side * size - (side == 1) for side, size in zip(box, large.size * 2, strict=True)]
        for colour, width in (("black", 4), ("white", 2)):
            pen.rectangle(place, outline=colour, width=width)
    content = io.BytesIO()
    large.save(content, "PNG")
    return replace(picture, png=content.getvalue())
