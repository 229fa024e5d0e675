"""NaN and infinity in keys, values and queries that nobody may look at leave no trace, in outputs or gradients; and
where somebody may look, exactly those queries are NaN."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import gradients_of
from torch import Tensor

from regard.kernels.row import Row
from regard.spec import (
    ActivatedDot,
    Additive,
    Bias,
    Causal,
    Cosine,
    Dense,
    Documents,
    Dot,
    General,
    Mask,
    Padding,
    Request,
    ScaledDot,
    Score,
    TensorBias,
    request,
)
from regard.spec.request import DTYPES

QUERIES, KEYS, DIM = 5, 7, 3
SPOILT = 4  # keys from here on hold NaN and infinity, in the second batch item
SCORES: list[Score] = [
    ScaledDot(),
    Dot(),
    Cosine(3.0),
    ScaledDot(softcap=2.0),
    General(torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 2.0], [1.0, -1.0, 0.0]]).requires_grad_()),
    ActivatedDot(torch.ones(DIM).requires_grad_(), 0.5, "identity"),
    ActivatedDot(torch.ones(DIM).requires_grad_()),
    Additive(torch.tensor([1.0, -2.0, 0.5]).requires_grad_()),
]
CLOSED = torch.zeros(2, 1, 1, KEYS).index_fill(3, torch.arange(SPOILT, KEYS), -torch.inf)
CLOSED[0] = 0.0
PACKED = Documents(torch.tensor([[0] * 5, [1] * 5]), torch.tensor([[0] * 7, [1] * 4 + [2] * 3]))
WAYS: dict[str, tuple[Mask | None, tuple[Bias, ...]]] = {
    "padding": (Padding(torch.tensor([KEYS, SPOILT])), ()),
    "documents": (PACKED, ()),
    "dense": (Dense(torch.isfinite(CLOSED)), ()),
    "float mask": (None, (TensorBias(CLOSED),)),
    "padding and float mask": (Padding(torch.tensor([6, 6])), (TensorBias(CLOSED), TensorBias(torch.ones(5, 7)))),
}


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 2, QUERIES, DIM), (2, 1, KEYS, DIM), (2, 1, KEYS, 4))
    q, k, v = (torch.randn(shape, generator=source).to(dtype) for shape in shapes)
    return q, k, v


def spoil(tensor: Tensor, what: float) -> Tensor:
    """`tensor` with `what` in one coordinate of key SPOILT and in all of the keys after it, second item only."""
    made = tensor.clone()
    made[1, :, SPOILT, 0] = what
    made[1, :, SPOILT + 1 :] = what
    return made


def can(row: Row, score: Score) -> bool:
    curve = getattr(score, "_curve", None)
    return type(score) in row.scores and (row.curved or curve is None or curve.straight)


PAIRS = [pytest.param(row, score, id=f"{row.name}-{score}") for row in TABLE for score in SCORES if can(row, score)]


def run(row: Row, asked: Request) -> list[Tensor]:
    """Output, and all gradients where the row has them (query, key, value, the score's own)."""
    output, lse = row.run(asked)
    if not row.gradients:
        return [output] if lse is None else [output, lse]
    upstream = torch.ones(output.shape, dtype=torch.float64), torch.ones(output.shape[:3], dtype=torch.float64)
    return [output, *([] if lse is None else [lse]), *gradients_of(asked, output, lse, upstream)]


def closed_and_clean(row: Row, score: Score, way: str, what: float, dtype: torch.dtype) -> tuple[list[Tensor], ...]:
    """The same call on spoilt and on clean tensors."""
    mask, biases = WAYS[way]
    q, k, v = inputs(dtype)
    calls = []
    for key, value in ((spoil(k, what), spoil(v, what)), (k, v)):
        held = [t.detach().clone().requires_grad_() for t in (q, key, value)]
        calls.append(run(row, request(*held, score=score, mask=mask, bias=biases)))
    return tuple(calls)


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("row", "score"), PAIRS)
def test_a_forbidden_key_and_value_leave_no_trace(row: Row, score: Score, way: str, what: float) -> None:
    for dtype in DTYPES if way == "padding" else (torch.float32,):
        spoilt, clean = closed_and_clean(row, score, way, what, dtype)
        for got, want in zip(spoilt, clean, strict=True):
            torch.testing.assert_close(got, want)


@pytest.mark.parametrize(("row", "score"), PAIRS)
def test_the_gradient_of_a_forbidden_key_and_value_is_0(row: Row, score: Score) -> None:
    if row.gradients:
        spoilt, _ = closed_and_clean(row, score, "padding", torch.nan, torch.float32)
        to_key, to_value = spoilt[2 + row.lse], spoilt[3 + row.lse]
        assert not to_key[1, :, SPOILT:].any()
        assert not to_value[1, :, SPOILT:].any()


@pytest.mark.parametrize(("row", "score"), PAIRS)
def test_a_padded_query_leaves_no_trace(row: Row, score: Score) -> None:
    """Queries beyond their length are empty rows, whatever they hold."""
    q, k, v = inputs(torch.float32)
    mask = Padding(torch.tensor([KEYS, KEYS]), torch.tensor([QUERIES, 2]))
    broken = q.clone()
    broken[1, :, 2], broken[1, :, 3] = torch.nan, torch.inf
    results = []
    for query in (broken, q):
        held = [t.detach().clone().requires_grad_() for t in (query, k, v)]
        results.append(run(row, request(*held, score=score, mask=mask)))
    for got, want in zip(*results, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("where", ["key", "value"])
@pytest.mark.parametrize(("row", "score"), PAIRS)
def test_who_may_look_sees_nan(row: Row, score: Score, where: str) -> None:
    """Under a causal mask from position 0, the queries from SPOILT on see a broken key; those before do not."""
    q, k, v = inputs(torch.float32)
    key, value = (spoil(k, torch.nan), v) if where == "key" else (k, spoil(v, torch.nan))
    for start, first in ((0, SPOILT), (2, SPOILT - 2)):
        asked = request(q, key, value, score=score, mask=Causal(), query_start=start)
        output, _ = row.run(asked)
        clean, _ = row.run(replace(asked, key=k, value=v))
        seen = torch.isnan(output)
        assert seen[1, :, first:].any(-1).all()
        assert not seen[1, :, :first].any()
        assert not seen[0].any()
        torch.testing.assert_close(output[1, :, :first], clean[1, :, :first])
        if where == "value":  # key SPOILT is broken in one coordinate: so is the mean of the values, in that alone
            assert not seen[1, :, first, 1:].any()


@pytest.mark.parametrize(("row", "score"), PAIRS)
def test_a_broken_query_is_nan_alone(row: Row, score: Score) -> None:
    """With more queries than keys, causal from 0."""
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, 1, n, DIM, generator=source) for n in (9, 4, 4))
    q[:, :, 6, 1] = torch.nan
    v[:, :, 3, 2] = torch.nan
    output, _ = row.run(request(q, k, v, score=score, mask=Causal(), query_start=0))
    want = torch.zeros(9, DIM, dtype=torch.bool)
    want[3:, 2], want[6] = True, True
    assert torch.equal(torch.isnan(output[0, 0]), want)
