"""A question about any torch module: token ids, or numbers, in; logits out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from regard.lens.answers import class_of, class_score, logits_of
from regard.lens.leaf_question import LeafInput, leaf_question
from regard.lens.put import Embedding
from regard.lens.question import Attention, Question
from regard.lens.token_question import TokenInput, token_question
from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described

__all__ = ["plain_question"]


def plain_question(
    model: nn.Module,
    inputs: Tensor,
    target: int | str | None = None,
    *,
    labels: Sequence[str] | None = None,
    units: Units | None = None,
    embedding: nn.Module | None = None,
    replacement: int | None = None,
    patch: int | None = None,
    others: Sequence[Tensor] = (),
    readout: Tensor | None = None,
    fixed: Sequence[int] = (),
) -> Question:
    """`model(inputs)` gives logits (1, classes), or (1, tokens, classes), of which the last place's are meant.

    inputs: token ids, int64 (tokens,) or (1, tokens); or floats: vectors (1, tokens, dim), features (1, features),
    pictures (1, channels, rows, cols), in squares of `patch` pixels. embedding: the module that turns ids into vectors,
    by default the first that is called with them. replacement: the id of a token that stands for no word. others:
    inputs of the same kind, to draw from. labels: the classes' names. fixed: places of ids that always stay (a class
    token); `units` are the others.

    Raises:
        ShapeError: inputs or outputs of another kind. SpecError: a class that is not there, or no embedding is found.
    """
    if not isinstance(inputs, Tensor):
        raise ShapeError(f"inputs={described(inputs)}: expected a tensor of token ids or of floats, one input")
    if inputs.is_floating_point():
        return _of_numbers(
            model, inputs, target, labels=labels, units=units, patch=patch, others=others, readout=readout
        )
    ids = inputs[None] if inputs.dim() == 1 else inputs
    if ids.dim() != 2 or ids.shape[0] != 1 or not ids.shape[1]:
        raise ShapeError(f"inputs={described(inputs)}: expected ids (tokens,) or (1, tokens), one input")
    chosen, name = _chosen(model, ids, target, labels)
    found = Embedding(embedding) if embedding is not None else Embedding.found(model, ids, lambda: model(ids))
    tokens = _tokens(ids.shape[1], fixed)
    table = getattr(found.module, "weight", None)
    return token_question(
        TokenInput(
            ids=ids,
            units=Units.numbered(int(tokens.max()) + 1) if units is None else units,
            tokens=tokens,
            target=name,
            score=lambda rows, present: _score(model, rows, present, chosen),
            model=model,
            embedding=found,
            replacement=None if replacement is None else (replacement, f"the token {replacement}"),
            others=torch.cat([one.flatten() for one in others]) if others else None,
            mean=table.detach().mean(0) if isinstance(table, Tensor) and table.dim() == 2 else None,
            readout=readout,
            name=type(model).__name__,
        )
    )


def _tokens(count: int, fixed: Sequence[int]) -> Tensor:
    """The unit of each of `count` places, -1 for those that are fixed."""
    stays = torch.zeros(count, dtype=torch.bool)
    if not all(isinstance(place, int) and 0 <= place < count for place in fixed):
        raise SpecError(f"fixed={described(fixed)}: expected places of the input, 0 to {count - 1}")
    stays[list(fixed)] = True
    if bool(stays.all()):
        raise SpecError("every token is fixed: there is nothing to weigh")
    return torch.where(stays, -1, (~stays).long().cumsum(0) - 1)


def _of_numbers(
    model: nn.Module,
    inputs: Tensor,
    target: int | str | None,
    *,
    labels: Sequence[str] | None,
    units: Units | None,
    patch: int | None,
    others: Sequence[Tensor],
    readout: Tensor | None,
) -> Question:
    if inputs.dim() < 2 or inputs.shape[0] != 1:
        raise ShapeError(f"inputs={described(inputs)}: expected (1, ...), one input")
    chosen, name = _chosen(model, inputs, target, labels)
    cells, found = _cells(inputs, patch)
    fills = {
        "zero": ("replaced by zeros", torch.zeros_like(inputs)),
        "mean": ("replaced by the input's mean", _mean(inputs)),
    }
    if others:
        fills["other"] = (
            "replaced by what other inputs have there",
            torch.stack([*others]).reshape(-1, *inputs.shape[1:])[:1],
        )
    tokens = torch.arange(len(found)) if inputs.dim() == 3 else None
    return leaf_question(
        LeafInput(
            leaf=inputs.detach(),
            cells=cells,
            units=found if units is None else units,
            target=name,
            score=lambda rows: _classes(logits_of(model(rows)), chosen),
            fills=fills,
            attention=None
            if tokens is None
            else Attention(model, lambda: _classes(logits_of(model(inputs)), chosen), tokens, readout),
            of="the input",
            name=type(model).__name__,
        )
    )


def _cells(inputs: Tensor, patch: int | None) -> tuple[Tensor, Units]:
    """The unit of each entry of inputs (1, ...), without the first axis, and the units."""
    if inputs.dim() == 2:
        return torch.arange(inputs.shape[1]), Units.numbered(inputs.shape[1], "feature")
    if inputs.dim() == 3:
        return torch.arange(inputs.shape[1])[:, None], Units.numbered(inputs.shape[1])
    if inputs.dim() != 4 or patch is None:
        raise ShapeError(
            f"inputs={described(inputs)}: expected vectors (1, tokens, dim), features (1, features), or a picture "
            "(1, channels, rows, cols) with patch=, how many pixels wide a unit is"
        )
    return patches(inputs.shape[2], inputs.shape[3], patch)


def patches(height: int, width: int, patch: int) -> tuple[Tensor, Units]:
    """The patch of each pixel (height, width) int64, and the patches as units, row by row; what is left at the right
    and below is part of no patch."""
    rows, cols = height // patch, width // patch
    if patch < 1 or not rows or not cols:
        raise SpecError(f"patch={patch}: expected from 1 pixel to the picture's {height} x {width}")
    down, across = torch.arange(height) // patch, torch.arange(width) // patch
    cells = down[:, None] * cols + across
    cells = torch.where((down[:, None] < rows) & (across < cols), cells, -1)
    texts = tuple(f"row {row + 1}, column {col + 1}" for row in range(rows) for col in range(cols))
    return cells, Units(texts, "patch", grid=(rows, cols))


def _mean(inputs: Tensor) -> Tensor:
    """The mean over all places, one for each channel or feature of a vector."""
    if inputs.dim() == 4:
        return inputs.mean((2, 3), keepdim=True).expand_as(inputs)
    return inputs.mean(1, keepdim=True).expand_as(inputs)


def _chosen(model: nn.Module, inputs: Tensor, target: Any, labels: Sequence[str] | None) -> tuple[int, str]:
    with torch.no_grad():
        logits = logits_of(model(inputs))
    return class_of(target, logits[0, -1] if logits.dim() == 3 else logits[0], labels)


def _score(model: nn.Module, ids: Tensor, present: Tensor, chosen: int) -> Tensor:
    """Rows of one length together; shorter ones alone, for how this model wants padding told is not known."""
    if bool(present.all()):
        return _classes(logits_of(model(ids)), chosen)
    rows = [ids[row : row + 1, present[row]] for row in range(len(ids))]
    return torch.cat([_classes(logits_of(model(row)), chosen) for row in rows])


def _classes(logits: Tensor, chosen: int) -> Tensor:
    return class_score(logits[:, -1] if logits.dim() == 3 else logits, chosen)
