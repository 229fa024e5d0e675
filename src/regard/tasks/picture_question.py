"""A question about an image classifier's answer to one picture: patches of pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regard.lens.answers import class_of, class_score
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.question import Attention, Question
from regard.lens.units import Units
from regard.tasks.classifier import Classifier
from regard.tasks.task import Setup

__all__ = ["picture_question"]


def picture_question(
    model: Classifier, setup: Setup, pixels: Tensor, target: str | int | None, *, others: Sequence[Tensor] = ()
) -> Question:
    """pixels, and each of `others`: (1, channels, height, width) uint8. One unit for each token of the picture; where
    convolutions let tokens overlap, a unit is the square around its token's middle.

    Raises `SpecError` for a label that the run has not.
    """
    seen = pixels.float() / 255
    with torch.no_grad():
        tokens = model.front(seen)
        logits = model(seen)[0][0]
    chosen, label = class_of(target, logits, setup.facts["labels"])
    rows, cols = _shape(tokens.units, len(tokens.covered(0)))
    down = torch.arange(seen.shape[2]) * rows // seen.shape[2]
    across = torch.arange(seen.shape[3]) * cols // seen.shape[3]
    texts = tuple(f"row {row + 1}, column {col + 1}" for row in range(rows) for col in range(cols))

    def score(leaf: Tensor) -> Tensor:
        return class_score(model(leaf)[0], chosen)

    usual = torch.tensor(setup.facts["mean"])[None, :, None, None].expand_as(seen)
    fills = {
        "mean": ("replaced by the training pictures' mean colour", usual),
        "own mean": ("replaced by the picture's own mean colour", seen.mean((2, 3), keepdim=True).expand_as(seen)),
        "zero": ("made black", torch.zeros_like(seen)),
    }
    if others:
        fills["other"] = ("replaced by what another picture has there", others[0].float() / 255)
    return leaf_question(
        LeafInput(
            leaf=seen,
            cells=down[:, None] * cols + across,
            units=Units(texts, "patch", grid=(rows, cols)),
            target=label,
            score=score,
            fills=fills,
            attention=Attention(model, lambda: score(seen), torch.arange(rows * cols)),
            name=f"the run's {setup.settings.core.kind}",
        )
    )


def _shape(units: object, count: int) -> tuple[int, int]:
    """(rows, cols) of a picture's tokens."""
    shape = getattr(units, "shape", None)
    found: tuple[int, int] = (1, count) if shape is None else (int(shape[0]), int(shape[1]))
    return found
