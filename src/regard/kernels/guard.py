"""NaN and infinity where nobody may look (padding that was never filled) must leave no trace: yet 0 x NaN is NaN.

Kernels that multiply by a weight of 0 keep such entries apart with what stands here; it costs one look at a tensor.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regard.spec.score import Prepared, Score


def finite(*tensors: Tensor) -> bool:
    """True only if every entry is finite."""
    return all(_sound(t.detach()) for t in tensors)


def _sound(tensor: Tensor) -> bool:
    """The smallest and the largest entry tell: NaN is both. (A float32 sum of half types takes forty times as long.)"""
    return not tensor.numel() or all(math.isfinite(end) for end in torch.aminmax(tensor))


def zeroed(tensor: Tensor) -> Tensor:
    """`tensor` with 0 for what is not finite; no gradient flows to those entries."""
    return torch.where(torch.isfinite(tensor), tensor, 0.0)


def broken(vectors: Tensor) -> Tensor:
    """(..., length) True for the vectors of `vectors` (..., length, dim) that hold anything but finite numbers."""
    return ~torch.isfinite(vectors).all(-1)


def prepared(score: Score, query: Tensor, key: Tensor) -> Prepared:
    """`score.prepare`, through which no gradient flows to a broken query or key, nor from it to the score's tensors."""
    straight = score.prepare(query, key)
    if (straight.query is query and straight.key is key) or finite(query, key):
        return straight
    with torch.no_grad():
        raw = score.prepare(query, key)
    made = score.prepare(zeroed(query), zeroed(key))
    return made._replace(
        query=torch.where(broken(query)[..., None], raw.query, made.query),
        key=torch.where(broken(key)[..., None], raw.key, made.key),
    )
