"""How many keys each query may read one by one, and how many of them are kept for the latest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.policy import Focus


@dataclass(frozen=True, eq=False)
class Allotted:
    """most, latest: int64 (lanes or 1, rows). largest: of `most`, as a number. same: whether all queries may read as
    many."""

    most: Tensor
    latest: Tensor
    largest: int
    same: bool

    @classmethod
    def of(cls, counts: Sequence[int], policy: Focus, shape: tuple[int, int], device: torch.device) -> Allotted:
        """counts: of each query, those of a lane one after the other."""
        first, kept = policy.first, policy.latest
        latest = {count: min(math.floor(count * kept), count - first) for count in set(counts)}
        return cls(
            spread(counts, shape, torch.int64, device),
            spread([latest[count] for count in counts], shape, torch.int64, device),
            max(counts, default=0),
            len(latest) <= 1,
        )


def spread(numbers: Sequence[float], shape: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The numbers in a shape. One alone is told without a list: in decoding every operation counts."""
    if len(numbers) == 1:
        return torch.full(shape, numbers[0], dtype=dtype, device=device)
    return torch.tensor(numbers, dtype=dtype, device=device).view(shape)
