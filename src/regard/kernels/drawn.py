"""Attention as a graph is to hold it: a few plain operations on tensors of any sizes, with no choice by their values.

Where the score is a scaled product, torch's scaled dot product attention is what is drawn, which exporters know as one
operator; else the scores are made and the softmax taken, step by step. Memory is that of the whole matrix, as it is for
who runs the graph with the plain operators. Inputs must be finite: what a query may not attend to takes part with
weight 0, and 0 times NaN is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from regard.spec.request import Request
from regard.spec.score import Additive


def run(request: Request) -> tuple[Tensor, None]:
    """(output, None)."""
    allowed, added = _allowed(request), _added(request)
    curve = getattr(request.score, "_curve", None)
    plain = request.score.dot_family and request.sink is None and (curve is None or curve.straight)
    output = _one(request, allowed, added) if plain else _steps(request, allowed, added)
    if allowed is None:
        return output, None
    return torch.where(allowed.any(-1, keepdim=True), output, 0.0), None


def _one(request: Request, allowed: Tensor | None, added: Tensor | None) -> Tensor:
    """As one operation."""
    query, key, scale, _ = request.score.prepare(request.query, request.key)
    mask = allowed if added is None else _forbidden(added, allowed).to(query.dtype)
    if mask is not None:  # runtimes want every query's own row
        mask = mask.expand(-1, -1, query.shape[2], key.shape[2])
    return scaled_dot_product_attention(query, key, request.value, mask, scale=scale, enable_gqa=request.groups > 1)


def _steps(request: Request, allowed: Tensor | None, added: Tensor | None) -> Tensor:
    """Scores, weights, and the mean of the values under them."""
    query, key, value = request.query, request.key, request.value
    if request.groups > 1:
        key, value = (t.repeat_interleave(request.groups, 1) for t in (key, value))
    scores = _scores(request, query, key)
    scores = _forbidden(scores if added is None else scores + added, allowed)
    if request.sink is None:
        return torch.softmax(scores, -1) @ value
    logit = request.sink.per_head.to(scores.dtype)[:, None, None].expand(*scores.shape[:3], 1)
    return torch.softmax(torch.cat((scores, logit), -1), -1)[..., :-1] @ value


def _scores(request: Request, query: Tensor, key: Tensor) -> Tensor:
    if isinstance(request.score, Additive):
        vector = request.score.vector.to(query.dtype)
        vector = vector if vector.dim() == 1 else vector[:, None, None]
        return (torch.tanh(query[..., :, None, :] + key[..., None, :, :]) * vector).sum(-1)
    made = request.score.prepare(query, key)
    return made.curve.apply(made.query @ made.key.mT * made.scale)


def _allowed(request: Request) -> Tensor | None:
    """bool, broadcastable to (batch, heads, query_len, key_len), of four dimensions; None without a mask."""
    if request.mask is None:
        return None
    place = request.place
    tile = request.mask.tile(place.rows, place.cols, place)
    return tile[(None,) * (4 - tile.dim())]


def _added(request: Request) -> Tensor | None:
    """The biases, broadcastable to (batch, heads, query_len, key_len), of four dimensions."""
    place = request.place
    tiles = [bias.tile(place.rows, place.cols, place).to(request.query.dtype) for bias in request.biases]
    if not tiles:
        return None
    total = tiles[0] if len(tiles) == 1 else sum(tiles[1:], tiles[0])
    return total[(None,) * (4 - total.dim())]


def _forbidden(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Scores of which what is not allowed is the least number there is: a row of those has no NaN to be rid of."""
    return scores if allowed is None else torch.where(allowed, scores, torch.finfo(scores.dtype).min)
