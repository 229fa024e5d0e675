"""Boxes and classes out of learned queries: objects in a picture, or spans of a text, which are boxes on one axis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sequence, check_sizes
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described


@dataclass(frozen=True, eq=False)
class Objects:
    """What is in one item. A box is (low corner, high corner): (left, top, right, bottom), or (start, end) of a span,
    in fractions of the whole, 0 to 1.

    Raises `ShapeError` for shapes or types that do not fit, `SpecError` for a box that ends before it begins.
    """

    labels: Tensor  # (objects,) int64
    boxes: Tensor  # (objects, 2 * axes)

    def __post_init__(self) -> None:
        labels, boxes = self.labels, self.boxes
        fits = labels.dim() == 1 and labels.dtype == torch.int64 and boxes.dim() == 2 and len(boxes) == len(labels)
        if not fits or boxes.shape[1] % 2 or not boxes.shape[1] or not boxes.is_floating_point():
            raise ShapeError(
                f"Objects(labels={described(labels)}, boxes={described(boxes)}): expected (objects,) int64 and "
                "(objects, 2 * axes) floats, low corner and high corner"
            )
        low, high = boxes.chunk(2, -1)
        bad = (~(low <= high).all(-1)).nonzero()[:, 0].tolist()
        if bad:
            raise SpecError(
                f"Objects: box {bad[0]} is {boxes[bad[0]].tolist()}: its high corner lies below its low one"
            )


@dataclass(frozen=True, eq=False)
class FoundBoxes:
    """What the head says of each query."""

    logits: Tensor  # (batch, queries, classes + 1); the last is "no object"
    boxes: Tensor  # (batch, queries, 2 * axes), low corner and high corner

    def objects(self, item: int, *, least: float = 0.5) -> tuple[Objects, Tensor]:
        """(objects, their probabilities) of one item: queries whose best class has a probability of `least` or more.

        Best first. Boxes are cut to the whole, 0 to 1. No two queries are merged: the matching in training sees to it
        that each object is claimed once (Carion et al. 2020, §3.1).
        """
        chances, labels = self.logits[item].detach().float().softmax(-1)[:, :-1].max(-1)
        order = chances.argsort(descending=True, stable=True)
        order = order[chances[order] >= least]
        boxes = self.boxes[item].detach()[order].clamp(0, 1)
        return Objects(labels[order], boxes), chances[order]


class Boxes(nn.Module):
    """A class, or "no object", and a box for each query (Carion et al. 2020, arXiv 2005.12872, §3.2).

    `axes`: 2 for pictures, 1 for spans. The box comes as centre and size, each through a sigmoid, out of two hidden
    layers with ReLU. `starts` (queries, 2 * axes): centre and size that each query's box has before training, which
    then learns steps away from it (reference points: Zhu et al. 2021, arXiv 2010.04159, §4.1 and A.3); each above 0 and
    below 1, or `SpecError`. Without, all boxes begin somewhere near the middle.
    """

    starts: Tensor | None

    def __init__(self, dim: int, classes: int, *, axes: int = 2, starts: Tensor | None = None) -> None:
        super().__init__()
        check_sizes("Boxes", dim=dim, classes=classes, axes=axes)
        self.dim = dim
        self.classes = nn.Linear(dim, classes + 1)
        self.place = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 2 * axes)
        )
        self.register_buffer("starts", None if starts is None else _logits(starts, axes))
        if starts is not None:  # before the first step every box is where it starts
            nn.init.zeros_(self.place[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.place[-1].bias)  # type: ignore[arg-type]

    def forward(self, queries: Tensor) -> FoundBoxes:
        """queries (batch, queries, dim) -> logits (batch, queries, classes + 1), boxes (batch, queries, 2 * axes).

        Raises `ShapeError` for another size, or where there are other starts than queries.
        """
        check_sequence("Boxes", queries, self.dim)
        place = self.place(queries)
        if self.starts is not None:
            if len(self.starts) != queries.shape[1]:
                raise ShapeError(f"Boxes: {queries.shape[1]} queries, but starts for {len(self.starts)}")
            place = place + self.starts
        centre, size = place.sigmoid().chunk(2, -1)
        return FoundBoxes(self.classes(queries), torch.cat((centre - size / 2, centre + size / 2), -1))


def _logits(starts: Tensor, axes: int) -> Tensor:
    if starts.dim() != 2 or starts.shape[1] != 2 * axes or not starts.is_floating_point():
        raise ShapeError(f"Boxes(starts={described(starts)}): expected floats (queries, {2 * axes}), centre and size")
    if not bool(((starts > 0) & (starts < 1)).all()):
        raise SpecError("Boxes(starts=...): expected centres and sizes above 0 and below 1, in fractions of the whole")
    return starts.logit()
