"""Truths that share nothing with the kernels: the reference's steps in plain loops over single numbers, and dense's
gradients as finite differences of the reference. Both raise AssertionError where they do not hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from tests.comparison import rebuilt, truth

from regard.kernels import reference
from regard.spec import ActivatedDot, Additive, Cosine, Dot, General, Request, ScaledDot, Score

Vector = list[float]


@torch.no_grad()
def hold_steps(asked: Request) -> None:
    """Every step of the reference, entry by entry with `math` alone. The mask and the biases are read off their tiles
    (tests/spec holds those against formulas of their own)."""
    place, found = asked.place, reference.steps(asked)
    size = (place.batch, place.heads, place.query_len, place.key_len)
    assert asked.mask is not None
    allowed = asked.mask.dense(place).expand(size)
    added = sum((b.tile(place.rows, place.cols, place).expand(size) for b in asked.biases), torch.zeros(size))
    for b, h, i in np.ndindex(size[:3]):
        q = asked.query[b, h, i].tolist()
        keys, values = (t[b, h // asked.groups].tolist() for t in (asked.key, asked.value))
        plain = [_ENTRY[type(asked.score)](q, k, asked.score, h) for k in keys]
        biased = [x + float(added[b, h, i, j]) for j, x in enumerate(plain)]
        seen = [j for j in range(len(keys)) if allowed[b, h, i, j]]
        parts = {j: math.exp(biased[j]) for j in seen}
        total = sum(parts.values())
        if asked.sink is not None and seen:
            total += math.exp(float(asked.sink.per_head[h]))
        weights = [parts.get(j, 0.0) / total if seen else 0.0 for j in range(len(keys))]
        output = [math.fsum(w * v[e] for w, v in zip(weights, values, strict=True)) for e in range(len(values[0]))]
        for name, mine in (("scores", plain), ("biased", biased), ("weights", weights), ("output", output)):
            np.testing.assert_allclose(getattr(found, name)[b, h, i], mine, rtol=1e-12, atol=1e-13, err_msg=name)
        np.testing.assert_allclose(found.lse[b, h, i], math.log(total) if seen else -math.inf, rtol=1e-12, atol=1e-13)
        assert found.allowed[b, h, i].tolist() == allowed[b, h, i].tolist()


def hold_slopes(asked: Request) -> None:
    """The gradient of the dense kernel along one random direction is how fast NumPy's output changes along it."""
    true = truth(asked)
    assert true.from_output is not None
    source = torch.Generator().manual_seed(3)
    moves = [torch.randn(t.shape, generator=source, dtype=t.dtype) * t.requires_grad for t in asked.tensors()]
    step = 1e-5

    def total(sign: float) -> float:
        moved = tuple((t + sign * step * move).detach() for t, move in zip(asked.tensors(), moves, strict=True))
        return float((reference.steps(rebuilt(asked, moved)).output * true.upstream[0].numpy()).sum())

    along = [move for t, move in zip(asked.tensors(), moves, strict=True) if t.requires_grad]
    expected = sum(float((g * move).sum()) for g, move in zip(true.from_output, along, strict=True))
    # the second difference's error is of the order of step² = 1e-10
    np.testing.assert_allclose((total(1) - total(-1)) / (2 * step), expected, rtol=1e-7, atol=1e-7)


def dot(left: Vector, right: Vector) -> float:
    return math.fsum(a * b for a, b in zip(left, right, strict=True))


def _at_head(tensor: torch.Tensor, head: int, plain: int) -> torch.Tensor:
    """The part of a score's tensor for this head; it has `plain` dimensions where it is one for all heads."""
    return tensor if tensor.dim() == plain else tensor[head]


def _scaled(q: Vector, k: Vector, score: ScaledDot, head: int) -> float:
    found = dot(q, k) * (1 / math.sqrt(len(q)) if score.scale is None else score.scale)
    return found if score.softcap is None else score.softcap * math.tanh(found / score.softcap)


def _cosine(q: Vector, k: Vector, score: Cosine, head: int) -> float:
    scale = float(score.scale[head]) if isinstance(score.scale, torch.Tensor) else score.scale
    return scale * dot(q, k) / math.sqrt(dot(q, q) * dot(k, k))


def _general(q: Vector, k: Vector, score: General, head: int) -> float:
    weight = _at_head(score.weight, head, 2).tolist()
    return sum(q[i] * weight[i][j] * k[j] for i in range(len(q)) for j in range(len(k)))


def _additive(q: Vector, k: Vector, score: Additive, head: int) -> float:
    vector = _at_head(score.vector, head, 1).tolist()
    return sum(v * math.tanh(a + b) for v, a, b in zip(vector, q, k, strict=True))


def _activated(q: Vector, k: Vector, score: ActivatedDot, head: int) -> float:
    bias = float(score.bias[head]) if isinstance(score.bias, torch.Tensor) else score.bias
    inner = dot(q, k) + dot(_at_head(score.key_vector, head, 1).tolist(), k) + bias
    curves = {"sigmoid": 1 / (1 + math.exp(-inner)), "tanh": math.tanh(inner), "relu": max(inner, 0.0)}
    return curves.get(score.activation, inner)


_ENTRY: dict[type[Score], Callable[..., float]] = {
    Dot: lambda q, k, score, head: dot(q, k),
    ScaledDot: _scaled,
    Cosine: _cosine,
    General: _general,
    Additive: _additive,
    ActivatedDot: _activated,
}
