"""Calls of few queries that every kernel made for them is tried on."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.spec import Causal, Dense, Mask, Padding, Prefix, Sinks, Window

# For 2 items, 4 heads, 3 queries and 131 keys.
MASKS: dict[str, Mask | None] = {
    "no mask": None,
    "causal": Causal(),
    "sinks and window": Sinks(2) | Window(20, 0),
    "padding": Padding(torch.tensor([131, 17]), torch.tensor([3, 2])),
    "dense": Dense(torch.arange(3 * 131).view(3, 131) % 7 == 0),
    "one key": ~Prefix(130),
    "nothing": ~Prefix(131),
}


def numbers(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)
