"""A model's output as the log-probability of one answer: classes, tokens, spans, a single number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described

__all__ = ["class_of", "class_score", "logits_of", "sequence_score"]


def logits_of(output: Any) -> Tensor:
    """The scores in what a model gives: the tensor itself, its `logits`, or the first of several."""
    found = getattr(output, "logits", output)
    if isinstance(found, Sequence) and len(found):
        found = found[0]
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.dim() < 1:
        raise ShapeError(f"the model gave {described(output)}: expected logits, (batch, classes) or (batch, tokens, n)")
    return found


def class_of(target: int | str | None, logits: Tensor, labels: Sequence[str] | None) -> tuple[int, str]:
    """(its index, its name) of the class that is meant: by index, by name, or by default the likeliest one. logits:
    (classes,); of a single one, the classes are 0 and 1.

    Raises `SpecError` for a class that there is not.
    """
    count = max(2, logits.numel())
    names = [str(place) for place in range(count)] if labels is None else list(labels)
    if len(names) != count:
        raise SpecError(f"{len(names)} labels for {count} classes: expected one each")
    if target is None:
        chosen = int(logits.reshape(-1)[0] > 0) if logits.numel() == 1 else int(logits.argmax())
    elif isinstance(target, bool) or not isinstance(target, (int, str)):
        raise SpecError(f"target={described(target)}: expected a class by its name or its index")
    elif isinstance(target, str):
        if target not in names:
            some = ", ".join(names[:20]) + (" ..." if count > 20 else "")
            raise SpecError(f"target={target!r}: the model has no such class; it has {some}")
        chosen = names.index(target)
    elif 0 <= target < count:
        chosen = target
    else:
        raise SpecError(f"target={target}: the model has the classes 0 to {count - 1}")
    return chosen, names[chosen]


def class_score(logits: Tensor, chosen: int, *, several: bool = False) -> Tensor:
    """logits (b, classes) or (b,) -> (b,) ln p of one class. several: classes do not exclude each other, and each has a
    probability of its own; a single logit is that of class 1 against class 0."""
    logits = logits.float().reshape(len(logits), -1)
    if logits.shape[1] == 1:
        return F.logsigmoid(logits[:, 0] if chosen == 1 else -logits[:, 0])
    return F.logsigmoid(logits[:, chosen]) if several else logits.log_softmax(-1)[:, chosen]


def sequence_score(logits: Tensor, last: Tensor, wanted: Tensor) -> Tensor:
    """(b,) the sum of ln p of the tokens `wanted` (count,), of which the last is told by the logits (b, tokens, vocab)
    at the place `last` (b,) of each row, and those before by the places before it."""
    back = torch.arange(len(wanted) - 1, -1, -1, device=logits.device)
    places = last[:, None] - back  # (b, count)
    rows = torch.arange(len(logits), device=logits.device)[:, None]
    told = logits[rows, places].float().log_softmax(-1)  # (b, count, vocab)
    return told.gather(-1, wanted.to(told.device).expand(len(logits), -1)[..., None])[..., 0].sum(-1)
