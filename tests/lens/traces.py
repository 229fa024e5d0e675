"""Traces made from weights that are written out, by the plain formulas."""

from __future__ import annotations

import torch

from regard.lens.trace import Layer, Trace
from regard.lens.units import Units


def layer(weights, *, name="a", kind="self", top=0, heads=None, queries=None, keys=None, population=None):
    """A layer of these weights, (batch, heads, n, m) or (n, m). queries, keys: validity, all True by default."""
    w = torch.as_tensor(weights, dtype=torch.float64)
    w = w[None, None] if w.dim() == 2 else w
    batch, count, n, m = w.shape
    positions = torch.arange(n)
    sums = w.sum(-1)
    away = (positions[:, None] - torch.arange(m)).abs()
    best = w.topk(min(top, m), dim=-1)
    return Layer(
        name=name,
        kind=kind,
        mask="causal",
        heads=tuple(range(count)) if heads is None else heads,
        positions=positions,
        population=n if population is None else population,
        lse=torch.where(sums > 0, 0.0, -torch.inf).float(),
        entropy=-torch.xlogy(w, w).sum(-1).float(),
        distance=(w * away).sum(-1).float(),
        received=w.sum(-2).float(),
        queries_valid=torch.ones(batch, n, dtype=torch.bool) if queries is None else torch.tensor(queries),
        keys_valid=torch.ones(batch, m, dtype=torch.bool) if keys is None else torch.tensor(keys),
        top_keys=torch.where(best.values > 0, best.indices, -1).int() if top else None,
        top_weights=best.values.float() if top else None,
    )


def trace(*layers, texts=None, model="Model", **rest):
    """A trace of these layers; texts: one sequence of texts for every item, or numbers."""
    length = max(max(one.keys, one.lse.shape[-1]) for one in layers)
    units = Units.numbered(length) if texts is None else Units(tuple(texts), "token")
    return Trace(model, tuple(layers), (units,) * layers[0].batch, **rest)


def causal(scores):
    """Causal softmax weights of scores (..., n, n), float64."""
    n = scores.shape[-1]
    return torch.softmax(scores.double().masked_fill(~torch.ones(n, n, dtype=torch.bool).tril(), -torch.inf), -1)


def random(seed=0, *, batch=1, heads=4, length=12):
    """Random causal weights, (batch, heads, length, length)."""
    source = torch.Generator().manual_seed(seed)
    return causal(torch.randn(batch, heads, length, length, generator=source))
