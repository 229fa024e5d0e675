"""Lengths of sequences as callers give them: a list of whole numbers, or a tensor."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regard.spec.errors import MaskError
from regard.spec.value import described

WHOLE = (torch.int64, torch.int32)  # dtypes that lengths and ids may have


def as_lengths(owner: str, given: Tensor | Sequence[int]) -> Tensor:
    """(sequences,) int64, none below 0. `owner` names the argument in the message of the `MaskError` raised else."""
    if isinstance(given, (list, tuple)) and all(type(each) is int for each in given):
        made = torch.tensor(given, dtype=torch.int64)
    elif isinstance(given, Tensor) and given.dtype in WHOLE and given.dim() == 1:
        made = given.detach().to(torch.int64)
    else:
        raise MaskError(f"{owner}={described(given)}: expected a list of whole numbers, or a (sequences,) int64 tensor")
    below = (made < 0).nonzero()[:, 0].tolist()
    if below:
        raise MaskError(f"{owner}[{below[0]}] = {int(made[below[0]])}: a sequence has no length below 0")
    return made
