"""The whole matrix at once, in plain torch operations that autograd follows: the differentiable plain truth.

It can do everything, at the price of several query_len x key_len arrays; the planner takes it for small sizes only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from regard.kernels import dropped, guard
from regard.kernels.sink import with_sink
from regard.spec.request import Request
from regard.spec.score import Additive


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); computed in float32 for bfloat16 and float16 inputs, else in the input's own dtype."""
    working = torch.promote_types(request.query.dtype, torch.float32)
    query = request.query.to(working)
    key = request.key.to(working)
    value = request.value.to(working)
    if request.groups > 1:
        key, value = (t.repeat_interleave(request.groups, 1) for t in (key, value))
    scores = _scores(request, query, key)
    allowed = torch.ones((1, 1), dtype=torch.bool, device=scores.device)
    place = request.place
    for bias in request.biases:
        # widened first, so that the gradient of a number that many entries share is not summed in half precision
        wide = bias.with_tensors(tuple(t.to(torch.promote_types(t.dtype, working)) for t in bias.tensors()))
        tile = wide.tile(place.rows, place.cols, place).to(working)
        scores = scores + tile
        allowed = allowed & (tile != -torch.inf)
    if request.mask is not None:
        allowed = allowed & request.mask.tile(place.rows, place.cols, place)
    plain = scores.numel() > 0 and guard.finite(scores, value)
    weights, lse = (_softmax if plain else _careful_softmax)(scores, allowed)
    weights = weights * dropped.kept(weights, request.dropout) if request.dropout else weights
    output, lse = with_sink(_context(weights, allowed, value), lse, request.sink)
    return output.to(request.query.dtype), lse


def _softmax(scores: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """(weights, lse) where scores and values are finite. What is forbidden gets -inf added: the cheapest there and
    back."""
    empty = ~allowed.any(-1)  # as small as the mask
    # an empty row is all 0 until its weights and its lse are put in, so that no gradient is NaN
    added = torch.zeros_like(allowed, dtype=scores.dtype).masked_fill_(~(allowed | empty[..., None]), -torch.inf)
    scores = scores + added
    weights = torch.softmax(scores, -1)
    lse: Tensor = _Lse.apply(scores, weights)  # type: ignore[no-untyped-call]
    if bool(empty.any()):
        weights, lse = weights.masked_fill(empty[..., None], 0.0), lse.masked_fill(empty, -torch.inf)
    return weights, lse


class _Lse(torch.autograd.Function):
    """The lse of scores whose softmax is there already: the heaviest key's weight is exp(its score - lse).

    Its derivative is the weights themselves, through which a second one flows.
    """

    @staticmethod
    def forward(ctx: Any, scores: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(weights)
        return scores.amax(-1) - weights.amax(-1).log_()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (weights,) = ctx.saved_tensors
        return grad[..., None] * weights, None


def _careful_softmax(scores: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
    """The same where a score is NaN or infinite, which where it is forbidden must leave no trace."""
    scores = scores.masked_fill(~allowed, -torch.inf)
    lse = torch.logsumexp(_finite_rows(scores, allowed), -1)
    empty = ~allowed.expand_as(scores).any(-1)
    weights = torch.where(allowed, torch.exp(scores - lse[..., None]), 0.0)
    return weights, lse.masked_fill(empty, -torch.inf)


def _scores(request: Request, query: Tensor, key: Tensor) -> Tensor:
    """Scores, whose gradient leaves out the pairs with a broken query or key (0 x NaN would reach the sound ones)."""
    if guard.finite(query, key):
        return _formula(request, query, key)
    with torch.no_grad():
        raw = _formula(request, query, key)
    pairs = guard.broken(query)[..., :, None] | guard.broken(key)[..., None, :]
    return torch.where(pairs, raw, _formula(request, guard.zeroed(query), guard.zeroed(key)))


def _formula(request: Request, query: Tensor, key: Tensor) -> Tensor:
    if isinstance(request.score, Additive):
        vector = request.score.vector.to(query.dtype)
        vector = vector if vector.dim() == 1 else vector[:, None, None]
        return (torch.tanh(query[..., :, None, :] + key[..., None, :, :]) * vector).sum(-1)
    made = request.score.prepare(query, key)
    return made.curve.apply(made.query @ made.key.mT * made.scale)


def _finite_rows(scores: Tensor, allowed: Tensor) -> Tensor:
    """Scores in which an empty row is all 0 (its lse is replaced later), so that no gradient is NaN."""
    empty = ~allowed.expand_as(scores).any(-1, keepdim=True)
    return scores.masked_fill(empty, 0.0)


def _context(weights: Tensor, allowed: Tensor, value: Tensor) -> Tensor:
    """weights · value, where a value that is not allowed has no say even if it is NaN or infinite."""
    if guard.finite(value):
        return weights @ value
    products = weights[..., None] * value[..., None, :, :]
    return torch.where(allowed.expand_as(weights)[..., None], products, 0.0).sum(-2)
