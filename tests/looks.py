"""Looks at small sketched caches, for what computes them (kernels/focus_way.py)."""

from __future__ import annotations

import torch
from tests.focus_cases import allotted, normal
from torch import Tensor

from regard.kernels.focus_look import Look
from regard.kernels.sketch import Sketch
from regard.spec import Focus

POLICY = Focus(sketch=2.0, grain=8, exact=5, first=3, latest=0.2)


def look(
    *,
    lanes: int = 2,
    rows: int = 2,
    groups: int = 3,
    keys: int = 157,
    dim: int = 19,
    value_dim: int = 23,
    most: int = 60,
    policy: Focus = POLICY,
    allowed: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> Look:
    """Queries at a cache whose directions differ in size, and whose neighbours are alike."""
    drift = normal(1, lanes, keys, dim, seed=seed).cumsum(2) / 6
    key = (torch.linspace(0.3, 2.0, dim) * normal(1, lanes, keys, dim, seed=seed + 1) + drift).to(dtype)
    value = (normal(1, lanes, keys, value_dim, seed=seed + 2) + 0.5).to(dtype)
    query = 2 * normal(lanes, rows, groups, dim, seed=seed + 3).float() / dim**0.5
    sketch = Sketch.of(key, value, policy=policy)
    return Look(sketch, query, key[0], value[0], allowed, allotted(torch.full((1, rows), most), policy))


def causal(rows: int, keys: int, padding: list[int]) -> Tensor:
    """bool (lanes, rows, keys): the last rows of a text, of which each lane's first keys are nothing."""
    place = torch.arange(keys)
    upto = place <= torch.arange(keys - rows, keys)[:, None]
    return torch.stack([upto & (place >= start) for start in padding])
