"""How tensors lie in memory changes nothing: transposed, sliced, expanded, and on torch's own path."""

from __future__ import annotations

import pytest
import torch
from tests import cases
from tests.cases import TABLE
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from regard.kernels import exact
from regard.kernels.row import Row
from regard.spec import Additive, Causal, Padding, ScaledDot, Score, Window, request

ORDERS = {
    "length before heads": (0, 2, 1, 3),  # as projections give it
    "length first": (2, 0, 1, 3),
    "dim before length": (0, 1, 3, 2),
    "dim first": (3, 2, 1, 0),
}


def laid(tensor: Tensor, order: tuple[int, ...]) -> Tensor:
    """The same tensor, whose memory runs along the axes in `order`; a leaf of its own."""
    back = tuple(order.index(axis) for axis in range(4))
    return tensor.detach().permute(order).contiguous().permute(back).requires_grad_()


def score_of(row: Row) -> Score:
    return ScaledDot() if ScaledDot in row.scores else Additive(torch.linspace(-1, 1, cases.DIM))


def results(row: Row, q: Tensor, k: Tensor, v: Tensor) -> list[Tensor]:
    """The output, and the gradients of q, k, v."""
    output, _ = row.run(request(q, k, v, score=score_of(row), mask=Window(4, 1)))
    return [output.detach(), *(torch.autograd.grad(output.square().sum(), (q, k, v)) if row.gradients else ())]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_transposed_inputs(row: Row, order: str) -> None:
    plain = cases.inputs(torch.float32)
    moved = tuple(laid(t, ORDERS[order]) for t in plain)
    assert all(not t.is_contiguous() for t in moved)
    for got, want in zip(results(row, *moved), results(row, *plain), strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_slices_and_expanded_inputs(row: Row) -> None:
    q, k, v = cases.inputs(torch.float32)
    wide = torch.cat((k.detach(), torch.full_like(k, 99.0)), 3).requires_grad_()
    sliced = wide[..., : cases.DIM]
    one = v.detach()[:1].requires_grad_()
    asked = request(q, sliced, one.expand(v.shape), score=score_of(row))
    plain = request(q, k, one.repeat(cases.BATCH, 1, 1, 1), score=score_of(row))
    torch.testing.assert_close(row.run(asked)[0], row.run(plain)[0])
    if row.gradients:
        grads = [torch.autograd.grad(row.run(a)[0].square().sum(), (q, one)) for a in (asked, plain)]
        torch.testing.assert_close(*grads)
        (to_wide,) = torch.autograd.grad(row.run(asked)[0].square().sum(), wide)
        assert not to_wide[..., cases.DIM :].any()


def test_inputs_are_never_written_to() -> None:
    for row in TABLE:
        before = cases.inputs(torch.float32)
        inputs = tuple(t.detach().clone().requires_grad_() for t in before)
        results(row, *inputs)
        assert all(torch.equal(a, b) for a, b in zip(inputs, before, strict=True))


@pytest.mark.parametrize("order", ["length before heads", "dim before length"])
@pytest.mark.parametrize("mask", [None, Causal(), Padding(torch.tensor([3, 13])), Window(2, 2)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_exact_never_falls_to_n_by_n_arithmetic(dtype: torch.dtype, mask: object, order: str) -> None:
    """Only torch's linear-memory path is let in here; the other would raise. Grouped heads, value_dim != dim, a bias,
    gradients, and memory that torch would not take as it comes."""
    q, k, v = (laid(t, ORDERS[order]) for t in cases.inputs(dtype))
    for bias in ((), (torch.zeros(1, 6, 7, 13),)):
        asked = request(q, k, v, mask=mask, bias=bias, query_start=0)  # type: ignore[arg-type]
        with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
            output, lse = exact.run(asked)
            output.float().sum().backward()
        assert lse is None
        assert q.grad is not None
