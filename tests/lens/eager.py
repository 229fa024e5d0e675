"""Figures made in float64 from a matrix of weights that a model, run eagerly, lays open; and how they are compared."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from regard.lens.trace import Layer

CLOSE = {"rtol": 2e-5, "atol": 2e-6}  # the watched model runs in float32


def hold(layer: Layer, weights: Tensor, *, start: int = 0, top: int = 0) -> None:
    """`weights` (batch, heads, queries, keys): every figure of `layer` is what they say, for queries that are no
    padding (`layer.queries_valid`, which the caller holds against what it knows). Query i stands at `start + i`."""
    given = weights.detach().double().numpy() * layer.queries_valid.numpy()[:, None, :, None]
    assert layer.entropy.shape == given.shape[:3], (layer.name, layer.entropy.shape, given.shape)
    keys, places = np.arange(given.shape[3]), start + np.arange(given.shape[2])
    logs = np.log(np.where(given > 0, given, 1.0))
    distances = np.abs(places[:, None] - keys)
    np.testing.assert_allclose(layer.received, given.sum(2), **CLOSE, err_msg=f"{layer.name} received")
    np.testing.assert_allclose(layer.entropy, -(given * logs).sum(3), **CLOSE, err_msg=f"{layer.name} entropy")
    np.testing.assert_allclose(layer.distance, (given * distances).sum(3), rtol=2e-5, atol=2e-5, err_msg=layer.name)
    if top:
        assert layer.top_keys is not None
        assert layer.top_weights is not None
        found = np.take_along_axis(given, layer.top_keys.long().clamp_min(0).numpy(), 3)
        found = np.where(layer.top_keys.numpy() < 0, 0.0, found)
        np.testing.assert_allclose(layer.top_weights, found, **CLOSE, err_msg=f"{layer.name} weight of top keys")
        heaviest = -np.sort(-given, 3)[..., :top]
        np.testing.assert_allclose(layer.top_weights[..., : heaviest.shape[3]], heaviest, **CLOSE, err_msg=layer.name)


def hold_lse(layer: Layer, weights: Tensor, query: Tensor, key: Tensor, scale: float) -> None:
    """Where a query may attend to a key, lse = score - log(weight); `query`, `key` (batch, heads or fewer, length,
    dim). For layers without bias and softcap."""
    spread = query.shape[1] // key.shape[1]
    scores = (scale * query.double() @ key.double().repeat_interleave(spread, 1).mT).detach().numpy()
    seen = weights.detach().double().numpy()
    best = seen.argmax(3, keepdims=True)
    score, weight = (np.take_along_axis(each, best, 3)[..., 0] for each in (scores, seen))
    real = np.broadcast_to(layer.queries_valid.numpy()[:, None], score.shape)
    np.testing.assert_allclose(layer.lse.numpy()[real], (score - np.log(weight))[real], rtol=2e-5, atol=2e-5)


@torch.no_grad()
def sharpen(model: torch.nn.Module, size: float = 0.25) -> None:
    """Weights large enough that attention is not the same everywhere."""
    source = torch.Generator().manual_seed(11)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.copy_(torch.randn(parameter.shape, generator=source) * size)
