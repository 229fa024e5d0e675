"""A query that may attend to nothing: output 0, gradient 0, lse -inf, on every kernel, and no trace in the others."""

from __future__ import annotations

import pytest
import torch
from tests.cases import TABLE
from tests.comparison import check, truth
from torch import Tensor

from regard.kernels.row import Row
from regard.spec import Additive, Dense, Mask, Padding, Prefix, Request, ScaledDot, SinkLogits, Window, request
from regard.spec.request import DTYPES

QUERIES, KEYS = 5, 7
EMPTY = torch.tensor([False, True, False, False, True])


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 2, QUERIES, 3), (2, 1, KEYS, 3), (2, 1, KEYS, 4))
    q, k, v = (torch.randn(shape, generator=source).to(dtype).requires_grad_() for shape in shapes)
    return q, k, v


def ask(row: Row, mask: Mask | None, dtype: torch.dtype = torch.float64, bias: object = None) -> Request:
    score = ScaledDot() if ScaledDot in row.scores else Additive(torch.tensor([0.5, -1.0, 2.0], dtype=dtype))
    return request(*inputs(dtype), score=score, mask=mask, bias=bias)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_some_rows_are_empty(row: Row, dtype: torch.dtype) -> None:
    asked = ask(row, Dense((~EMPTY)[:, None]), dtype)
    output, lse = row.run(asked)
    assert (output[:, :, EMPTY] == 0).all()
    assert (output[:, :, ~EMPTY] != 0).all()
    if lse is not None:
        assert torch.isneginf(lse[:, :, EMPTY]).all()
        assert torch.isfinite(lse[:, :, ~EMPTY]).all()
    if row.gradients:
        to_query, to_key = torch.autograd.grad(output[:, :, EMPTY].sum(), (asked.query, asked.key), retain_graph=True)
        assert not to_query.any()
        assert not to_key.any()
        (to_query,) = torch.autograd.grad(output.square().sum(), asked.query)
        assert not to_query[:, :, EMPTY].any()
        assert (to_query[:, :, ~EMPTY] != 0).all()


@pytest.mark.parametrize(
    "mask", [~Prefix(KEYS), Padding(torch.zeros(2, dtype=torch.int64)), Window(0, 0) & ~Window(0, 0)], ids=repr
)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_all_rows_are_empty(row: Row, mask: Mask) -> None:
    asked = ask(row, mask)
    output, lse = row.run(asked)
    assert not output.any()
    assert lse is None or torch.isneginf(lse).all()
    if row.gradients:
        found = torch.autograd.grad(output.sum(), (asked.query, asked.key, asked.value))
        assert not any(g.any() for g in found)


@pytest.mark.parametrize("start", [-100, -5, 100])
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_queries_far_from_every_key_see_nothing_through_a_window(row: Row, start: int) -> None:
    q, k, v = inputs(torch.float32)
    asked = request(q, k, v, score=ask(row, None, torch.float32).score, mask=Window(0, 0), query_start=start)
    assert not row.run(asked)[0].any()


@pytest.mark.parametrize("row", [row for row in TABLE if row.sink], ids=lambda row: row.name)
def test_a_sink_does_not_fill_an_empty_row(row: Row) -> None:
    asked = ask(row, Dense((~EMPTY)[:, None]), bias=SinkLogits(torch.tensor([0.5, 9.0])))
    output, lse = row.run(asked)
    assert row.lse == (lse is not None)
    assert (output[:, :, EMPTY] == 0).all()
    assert lse is None or torch.isneginf(lse[:, :, EMPTY]).all()
    check(row, asked, truth(asked))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_float_mask_of_minus_infinity_makes_an_empty_row(row: Row) -> None:
    bias = torch.zeros(QUERIES, KEYS, dtype=torch.float64).masked_fill(EMPTY[:, None], -torch.inf)
    asked = ask(row, None, bias=bias)
    assert (row.run(asked)[0][:, :, EMPTY] == 0).all()
    check(row, asked, truth(asked))
