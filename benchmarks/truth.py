"""Attention in float64 from its formula, a head at a time, sharing nothing with the package under test."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Scores = Callable[[Tensor, Tensor], Tensor]  # (n, dim), (m, dim) -> (n, m)


def scaled_dot(query: Tensor, key: Tensor) -> Tensor:
    """q · k / sqrt(dim)."""
    return query @ key.mT / query.shape[-1] ** 0.5


def additive(vector: Tensor) -> Scores:
    """vector · tanh(q + k), one query at a time."""
    return lambda query, key: torch.stack([(one + key).tanh() @ vector for one in query])


def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    scores: Scores = scaled_dot,
    allowed: Tensor | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """(batch, heads, query_len, value_dim) of float64 inputs; `allowed` and `bias` broadcast to the score's shape.

    An empty row gives 0. Autograd can follow it.
    """
    batch, heads = query.shape[:2]
    full = (batch, heads, query.shape[2], key.shape[2])

    def one(b: int, h: int) -> Tensor:
        found = scores(query[b, h], key[b, h])
        if bias is not None:
            found = found + bias.expand(full)[b, h]
        if allowed is not None:
            found = found.masked_fill(~allowed.expand(full)[b, h], -torch.inf)
        top = found.detach().amax(-1, keepdim=True).clamp_min(-1e300)
        parts = (found - top).exp()
        return parts / parts.sum(-1, keepdim=True).clamp_min(1e-300) @ value[b, h]

    return torch.stack([torch.stack([one(b, h) for h in range(heads)]) for b in range(batch)])


def with_gradients(call: Callable[..., Tensor], leaves: tuple[Tensor, ...], pull: Tensor) -> tuple[Tensor, ...]:
    """(output, gradient of each leaf) of `call(*leaves)`, the gradients of sum(output * pull)."""
    output = call(*leaves)
    return (output.detach(), *torch.autograd.grad(output, leaves, pull))


def wide(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Fresh float64 leaves with the values of `tensors`."""
    return tuple(t.detach().double().requires_grad_() for t in tensors)
