"""The slow truth: attention in NumPy, float64, formula by formula, with every intermediate value by name.

Nothing here is shared with the fast kernels but the masks' and biases' own tiles (which have their own plain truth in
the tests). Memory grows with query_len x key_len: for checking and for teaching.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.spec.request import Request
from regard.spec.score import ActivatedDot, Additive, Cosine, Dot, General, ScaledDot

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Steps:
    """Every step of one call, float64. n = query_len, m = key_len; heads are query heads throughout."""

    scores: Array  # (batch, heads, n, m) how well each query and key match
    biased: Array  # (batch, heads, n, m) scores + biases
    allowed: np.ndarray[Any, np.dtype[np.bool_]]  # (batch, heads, n, m) True where the query may attend
    weights: Array  # (batch, heads, n, m) softmax over the allowed keys; all 0 in an empty row
    lse: Array  # (batch, heads, n) log of the sum of exponentiated scores, a sink logit included; -inf in an empty row
    output: Array  # (batch, heads, n, value_dim) weights · value

    @property
    def entropy(self) -> Array:
        """(batch, heads, n) nats; 0 in an empty row."""
        logs = np.log(np.where(self.weights > 0, self.weights, 1.0))
        return np.asarray(-(self.weights * logs).sum(-1))

    @property
    def received(self) -> Array:
        """(batch, heads, m) the sum over queries of each key's weight."""
        return np.asarray(self.weights.sum(-2))


def steps(request: Request) -> Steps:
    """Compute `request` (its dropout is left out) and keep every intermediate value."""
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity are values here; exp(1e4) is infinity
        return _steps(request)


def _steps(request: Request) -> Steps:
    query = array(request.query)
    key = np.repeat(array(request.key), request.groups, axis=1)
    value = np.repeat(array(request.value), request.groups, axis=1)
    place = request.place
    shape = (place.batch, place.heads, place.query_len, place.key_len)
    scores = _scores(request, query, key)
    biased = scores + np.zeros(shape)
    allowed = np.ones(shape, bool)
    for bias in request.biases:
        added = array(bias.tile(place.rows, place.cols, place))
        biased = biased + added
        allowed &= added != -np.inf
    if request.mask is not None:
        allowed &= request.mask.tile(place.rows, place.cols, place).cpu().numpy()
    weights, lse = _softmax(biased, allowed, None if request.sink is None else array(request.sink.per_head))
    return Steps(scores, biased, allowed, weights, lse, _context(weights, value))


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse) as tensors of the request's dtype and device; no gradient flows."""
    found = steps(request)
    output = torch.from_numpy(found.output).to(request.query)
    return output, torch.from_numpy(found.lse).to(request.query.device)


def array(tensor: Tensor) -> Array:
    """A tensor as a float64 array."""
    return np.asarray(tensor.detach().to("cpu", torch.float64).numpy())


def _scores(request: Request, query: Array, key: Array) -> Array:
    score = request.score
    dots = query @ key.swapaxes(-1, -2) if query.shape[-1] == key.shape[-1] else np.zeros(())
    if isinstance(score, Dot):
        return np.asarray(dots)
    if isinstance(score, ScaledDot):
        scale = (1 / np.sqrt(query.shape[-1]) if query.shape[-1] else 1.0) if score.scale is None else score.scale
        scaled = np.asarray(dots * scale)
        return scaled if score.softcap is None else score.softcap * np.tanh(scaled / score.softcap)
    if isinstance(score, Cosine):
        lengths = np.linalg.norm(query, axis=-1)[..., :, None] * np.linalg.norm(key, axis=-1)[..., None, :]
        scale = array(score.scale)[:, None, None] if isinstance(score.scale, Tensor) else score.scale
        return np.asarray(np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths != 0) * scale)
    if isinstance(score, General):
        return (query @ array(score.weight)) @ key.swapaxes(-1, -2)
    if isinstance(score, Additive):
        vector = _per_head(score.vector)
        return np.asarray((np.tanh(query[..., :, None, :] + key[..., None, :, :]) * vector[:, None, None]).sum(-1))
    assert isinstance(score, ActivatedDot)
    offset = array(score.bias)[:, None, None] if isinstance(score.bias, Tensor) else score.bias
    inner = dots + (key * _per_head(score.key_vector)[:, None]).sum(-1)[..., None, :] + offset
    return _activated(inner, score.activation)


def _per_head(vector: Tensor) -> Array:
    """(heads or 1, dim)"""
    return np.atleast_2d(array(vector))


def _activated(x: Array, name: str) -> Array:
    if name == "sigmoid":
        return np.asarray(1 / (1 + np.exp(-x)))
    return np.tanh(x) if name == "tanh" else np.maximum(x, 0) if name == "relu" else x


def _softmax(scores: Array, allowed: np.ndarray[Any, Any], sink: Array | None) -> tuple[Array, Array]:
    """Weights and lse over the allowed keys of each row, with a sink logit (heads,) in the sum if there is one."""
    masked = np.where(allowed, scores, -np.inf)
    top = masked.max(-1, initial=-np.inf, keepdims=True)
    logit = None if sink is None else np.broadcast_to(sink[:, None, None], top.shape)
    top = top if logit is None else np.maximum(top, logit)
    top = np.where(np.isneginf(top), 0.0, top)
    parts = np.exp(masked - top)
    total = parts.sum(-1, keepdims=True)
    empty = ~allowed.any(-1, keepdims=True)
    total = total if logit is None else total + np.exp(logit - top)
    weights = np.divide(parts, total, out=np.zeros_like(parts), where=~(empty | (total == 0)))
    with np.errstate(divide="ignore"):
        lse = np.where(empty, -np.inf, np.log(total) + top)
    return weights, lse[..., 0]


def _context(weights: Array, value: Array) -> Array:
    """weights · value, where a value of weight 0 has no say even if it is NaN or infinite."""
    if np.isfinite(value).all():
        return np.asarray(weights @ value)
    products = weights[..., None] * value[..., None, :, :]
    return np.asarray(np.where(weights[..., None] == 0, 0.0, products).sum(-2))
