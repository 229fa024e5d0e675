"""A question about an answer to one picture: patches of pixels. A classifier's; and what the questions of other models
that read pictures are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.lens.answers import class_of, class_score
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.tasks.classifier import Classifier
from regard.tasks.task import Setup

__all__ = ["fills_of", "patch_units", "picture_input", "picture_question"]


def picture_question(
    model: Classifier, setup: Setup, pixels: Tensor, target: str | int | None, *, others: Sequence[Tensor] = ()
) -> Question:
    """pixels, and each of `others`: (1, channels, height, width) uint8. One unit for each token of the picture; where
    convolutions let tokens overlap, a unit is the square around its token's middle.

    Raises `SpecError` for a label that the run has not.
    """
    with torch.no_grad():
        logits = model(pixels.float() / 255)[0][0]
    chosen, label = class_of(target, logits, setup.facts["labels"])
    given = picture_input(
        model,
        model.front,
        setup,
        pixels,
        target=label,
        score=lambda leaf: class_score(model(leaf)[0], chosen),
        others=others,
    )
    return leaf_question(given)


def picture_input(
    model: nn.Module,
    front: Any,
    setup: Setup,
    pixels: Tensor,
    *,
    target: str,
    score: Callable[[Tensor], Tensor],
    others: Sequence[Tensor] = (),
    quantity: str = "probability",
    together: int = 32,
) -> LeafInput:
    """A picture's pixels, a unit for each token that the front end `front` makes of them.

    pixels, others: as in `picture_question`. score: pixels (b, channels, height, width), as shares of 255 -> (b,) the
    target's log-probability; calls `model`.
    """
    seen = pixels.float() / 255
    cells, units = patch_units(front, seen)
    return LeafInput(
        leaf=seen,
        cells=cells,
        units=units,
        target=target,
        score=score,
        fills=fills_of(setup, seen, others),
        attention=Attention(model, lambda: score(seen), torch.arange(len(units))),
        name=f"the run's {setup.settings.core.kind}",
        quantity=quantity,
        together=together,
    )


def patch_units(front: Any, seen: Tensor) -> tuple[Tensor, Units]:
    """The patch of each pixel of seen (1, channels, height, width), (height, width) int64, and the patches as units,
    row by row."""
    height, width = seen.shape[2:]
    with torch.no_grad():
        tokens = front(seen)
    shape = getattr(tokens.units, "shape", None)
    rows, cols = (1, len(tokens.covered(0))) if shape is None else (int(shape[0]), int(shape[1]))
    down, across = torch.arange(height) * rows // height, torch.arange(width) * cols // width
    texts = tuple(f"row {row + 1}, column {col + 1}" for row in range(rows) for col in range(cols))
    return down[:, None] * cols + across, Units(texts, "patch", grid=(rows, cols))


def fills_of(setup: Setup, seen: Tensor, others: Sequence[Tensor] = ()) -> Mapping[str, tuple[str, Tensor]]:
    """What stands in the place of pixels that are taken away, by way, (1, channels, height, width) as `seen`."""
    usual = torch.tensor(setup.facts["mean"])[None, :, None, None].expand_as(seen)
    fills = {
        "mean": ("replaced by the training pictures' mean colour", usual),
        "own mean": ("replaced by the picture's own mean colour", seen.mean((2, 3), keepdim=True).expand_as(seen)),
        "zero": ("made black", torch.zeros_like(seen)),
    }
    if others:
        fills["other"] = ("replaced by what another picture has there", others[0].float() / 255)
    return fills
