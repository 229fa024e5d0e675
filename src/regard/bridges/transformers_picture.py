"""A question about a picture that a transformers model has put into a class: patches of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.lens.answers import class_of, class_score, logits_of
from regard.lens.flow import places
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.plain_question import patches
from regard.lens.question import Attention, Question
from regard.spec.errors import SpecError

__all__ = ["picture_question"]


def picture_question(model: nn.Module, pixels: Tensor, target: Any, *, others: Sequence[Tensor] = ()) -> Question:
    """pixels, and each of `others`: (1, channels, rows, cols) as the model's processor makes them. One unit for each
    patch of the model's grid.

    Raises `SpecError` for a class that is not there, and a model that does not say how large a patch is.
    """
    config: Any = getattr(model.config, "vision_config", model.config)
    size = getattr(config, "patch_size", None)
    if size is None or pixels.dim() != 4 or pixels.shape[0] != 1:
        raise SpecError(
            f"{type(model).__name__} on {tuple(pixels.shape)}: expected one picture (1, channels, rows, cols), and a "
            "model that cuts pictures into patches (config.patch_size)"
        )
    side = int(size if isinstance(size, int) else size[-1])
    with torch.no_grad():
        logits = logits_of(model(pixel_values=pixels))[0]
    names = getattr(model.config, "id2label", None) or {}
    labels = [str(names[place]) for place in range(len(names))] if len(names) == max(2, logits.numel()) else None
    chosen, name = class_of(target, logits, labels)
    cells, units = patches(pixels.shape[2], pixels.shape[3], side)

    def score(leaf: Tensor) -> Tensor:
        return class_score(logits_of(model(pixel_values=leaf)), chosen)

    fills = {
        "mean": ("replaced by the picture's mean colour", pixels.mean((2, 3), keepdim=True).expand_as(pixels)),
        "zero": ("replaced by zeros, the mean of training where pixels are standardised", torch.zeros_like(pixels)),
    }
    if others:
        fills["other"] = ("replaced by what another picture has there", others[0])
    return leaf_question(
        LeafInput(
            leaf=pixels,
            cells=cells,
            units=units,
            target=name,
            score=score,
            fills=fills,
            attention=_attention(model, pixels, score, len(units)),
            name=type(model).__name__,
        )
    )


def _attention(model: nn.Module, pixels: Tensor, score: Any, count: int) -> Attention | None:
    """The patches as they are attended to, behind what is no patch; None where attention does not run over all."""
    seen = places(model, lambda: score(pixels))
    if seen is None or not 0 <= seen - count <= _SPECIAL:
        return None
    tokens = torch.cat((torch.full((seen - count,), -1), torch.arange(count)))
    return Attention(model, lambda: score(pixels), tokens)


_SPECIAL = 16  # leading places that are no patch: class token, distillation token, registers
