"""The reference against numbers worked out by hand, and against plain loops over single numbers with `math` alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from regard.kernels import reference
from regard.spec import (
    ActivatedDot,
    Additive,
    Cosine,
    Dot,
    General,
    Prefix,
    ScaledDot,
    Score,
    SinkLogits,
    request,
)
from tests import cases

Pair = Callable[[list[float], list[float], Score, int], float]


def dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def at_head(tensor: torch.Tensor, head: int, plain: int) -> torch.Tensor:
    """The part of a score's tensor for this head: `plain` dimensions where it is one for all heads."""
    return tensor if tensor.dim() == plain else tensor[head]


def cosine(q: list[float], k: list[float], score: Score, head: int) -> float:
    assert isinstance(score, Cosine)
    scale = float(score.scale[head]) if isinstance(score.scale, torch.Tensor) else score.scale
    return scale * dot(q, k) / math.sqrt(dot(q, q) * dot(k, k))


def general(q: list[float], k: list[float], score: Score, head: int) -> float:
    assert isinstance(score, General)
    weight = at_head(score.weight, head, 2).tolist()
    return sum(q[i] * weight[i][j] * k[j] for i in range(len(q)) for j in range(len(k)))


def additive(q: list[float], k: list[float], score: Score, head: int) -> float:
    assert isinstance(score, Additive)
    return sum(v * math.tanh(a + b) for v, a, b in zip(at_head(score.vector, head, 1).tolist(), q, k, strict=True))


def activated(q: list[float], k: list[float], score: Score, head: int) -> float:
    assert isinstance(score, ActivatedDot)
    bias = float(score.bias[head]) if isinstance(score.bias, torch.Tensor) else score.bias
    inner = dot(q, k) + dot(at_head(score.key_vector, head, 1).tolist(), k) + bias
    curves = {"sigmoid": 1 / (1 + math.exp(-inner)), "tanh": math.tanh(inner), "relu": max(inner, 0.0)}
    return curves.get(score.activation, inner)


def scaled(q: list[float], k: list[float], score: Score, head: int) -> float:
    assert isinstance(score, ScaledDot)
    found = dot(q, k) * (1 / math.sqrt(len(q)) if score.scale is None else score.scale)
    return found if score.softcap is None else score.softcap * math.tanh(found / score.softcap)


ENTRY: dict[type[Score], Pair] = {
    Dot: lambda q, k, score, head: dot(q, k),
    ScaledDot: scaled,
    Cosine: cosine,
    General: general,
    Additive: additive,
    ActivatedDot: activated,
}


@pytest.mark.parametrize("bias", ["no bias", "all at once"])
@pytest.mark.parametrize("score", cases.scores(torch.float64))
@torch.no_grad()
def test_every_step_in_plain_loops(score: str, bias: str) -> None:
    asked = cases.asked(score, "not documents, or padded causal", bias)
    place, found = asked.place, reference.steps(asked)
    size = (cases.BATCH, cases.HEADS, cases.QUERIES, cases.KEYS)
    assert asked.mask is not None
    allowed = asked.mask.dense(place).expand(size)
    added = sum((b.tile(place.rows, place.cols, place).expand(size) for b in asked.biases), torch.zeros(size))
    for b, h, i in np.ndindex(size[:3]):
        q = asked.query[b, h, i].tolist()
        keys, values = asked.key[b, h // 2].tolist(), asked.value[b, h // 2].tolist()
        plain = [ENTRY[type(asked.score)](q, k, asked.score, h) for k in keys]
        biased = [x + float(added[b, h, i, j]) for j, x in enumerate(plain)]
        open_keys = [j for j in range(cases.KEYS) if allowed[b, h, i, j]]
        parts = {j: math.exp(biased[j]) for j in open_keys}
        total = sum(parts.values())
        if asked.sink is not None and open_keys:
            total += math.exp(float(asked.sink.per_head[h]))
        weights = [parts.get(j, 0.0) / total if open_keys else 0.0 for j in range(cases.KEYS)]
        output = [sum(w * v[e] for w, v in zip(weights, values, strict=True)) for e in range(cases.VALUE_DIM)]
        for name, mine in (("scores", plain), ("biased", biased), ("weights", weights), ("output", output)):
            np.testing.assert_allclose(getattr(found, name)[b, h, i], mine, rtol=1e-12, atol=1e-13, err_msg=name)
        assert found.lse[b, h, i] == (pytest.approx(math.log(total)) if open_keys else -math.inf)
        assert found.allowed[b, h, i].tolist() == allowed[b, h, i].tolist()


def test_one_query_two_keys() -> None:
    """Scores ln 3 and 0: weights 3/4 and 1/4; output 3/4 * 8 + 1/4 * 4 = 7; lse ln 4."""
    q, k, v = torch.tensor([[[[1.0]]]]), torch.tensor([[[[math.log(3)], [0.0]]]]), torch.tensor([[[[8.0], [4.0]]]])
    found = reference.steps(request(q.double(), k.double(), v.double(), score=Dot()))
    np.testing.assert_allclose(found.weights, [[[[0.75, 0.25]]]], rtol=1e-7)
    np.testing.assert_allclose(found.output, [[[[7.0]]]], rtol=1e-7)
    np.testing.assert_allclose(found.lse, [[[math.log(4)]]], rtol=1e-7)
    np.testing.assert_allclose(found.entropy, [[[0.75 * math.log(4 / 3) + 0.25 * math.log(4)]]], rtol=1e-7)
    np.testing.assert_allclose(found.received, [[[0.75, 0.25]]], rtol=1e-7)


def test_a_sink_takes_its_share_and_carries_no_value() -> None:
    """Scores ln 3 and 0 beside a sink logit ln 4: weights 3/8 and 1/8; the other half looks at nothing."""
    q, k = torch.tensor([[[[1.0]]]], dtype=torch.float64), torch.tensor([[[[math.log(3)], [0.0]]]]).double()
    sink = SinkLogits(torch.tensor([math.log(4)]))
    found = reference.steps(request(q, k, torch.ones_like(k), score=Dot(), bias=sink))
    np.testing.assert_allclose(found.weights, [[[[0.375, 0.125]]]], rtol=1e-7)
    np.testing.assert_allclose(found.output, [[[[0.5]]]], rtol=1e-7)
    np.testing.assert_allclose(found.lse, [[[math.log(8)]]], rtol=1e-7)


def test_the_softcap_comes_before_the_mask() -> None:
    """After it, a forbidden key would score -cap instead of -inf, and keep a weight."""
    q, k = torch.ones(1, 1, 1, 1).double(), torch.tensor([[[[0.0], [9.0]]]]).double()
    found = reference.steps(request(q, k, k, score=ScaledDot(1.0, softcap=1.0), mask=Prefix(1)))
    assert found.weights.tolist() == [[[[1.0, 0.0]]]]


def test_an_empty_row_is_all_zero() -> None:
    asked = cases.asked("scaled", "nothing", "sink")
    found = reference.steps(asked)
    assert not found.output.any()
    assert not found.weights.any()
    assert not found.entropy.any()
    assert not found.received.any()
    assert np.isneginf(found.lse).all()


def test_a_zero_vector_has_cosine_0_with_everything() -> None:
    q, k = torch.zeros(1, 1, 1, 3), torch.ones(1, 1, 4, 3)
    assert reference.steps(request(q, k, k, score=Cosine(5.0))).scores.tolist() == [[[[0.0] * 4]]]


def test_run_gives_tensors_of_the_calls_dtype() -> None:
    asked = cases.asked("scaled", dtype=torch.bfloat16)
    output, lse = reference.run(asked)
    assert (output.dtype, lse.dtype) == (torch.bfloat16, torch.float64)
    assert not output.requires_grad


def test_scores_of_ten_thousand_neither_overflow_nor_warn() -> None:
    q, k = torch.full((1, 1, 2, 1), 100.0), torch.tensor([[[[100.0], [-100.0]]]])
    for score in (Dot(), ActivatedDot(torch.zeros(1)), ScaledDot(softcap=50.0)):
        found = reference.steps(request(q, k, k, score=score))
        assert np.isfinite(found.output).all()
    np.testing.assert_allclose(reference.steps(request(q, k, k, score=Dot())).output, 100.0)
