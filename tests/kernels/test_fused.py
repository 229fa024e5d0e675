"""What the fused kernels share, over a plain softmax in place of a kernel."""

from __future__ import annotations

import pytest
import torch
from tests import cases
from torch import Tensor

from regard.kernels import fused
from regard.spec import Cosine, Dot, General, request

ALLOWED = torch.tensor([[True, True, False], [False, True, True], [False, False, False]])


def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """As a GPU kernel does it: a weight of 0 is multiplied with whatever lies under it."""
    scores = (query @ key.mT).masked_fill(~ALLOWED, -torch.inf)
    lse = torch.logsumexp(scores, -1)
    return torch.exp(scores - lse.nan_to_num(neginf=0.0)[..., None]) @ value, lse


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, 1, 3, 2, generator=source) for _ in range(3))
    return q, k, v


def test_finite_inputs_go_straight_through() -> None:
    q, k, v = inputs()
    output, lse = fused.guarded(q, k, v, attend, lambda *_: pytest.fail("asked who sees what"))
    assert torch.equal(output, attend(q, k, v)[0])
    assert torch.equal(lse, attend(q, k, v)[1])


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
def test_a_broken_key_shows_in_the_rows_that_may_see_it(what: float) -> None:
    q, k, v = inputs()
    whole, lse = attend(q, k, v)
    k[0, 0, 2, 1] = what
    found, sums = fused.guarded(q, k, v, attend, attend)
    assert torch.equal(found[0, 0, 0], whole[0, 0, 0])
    assert found[0, 0, 1].isnan().all()
    assert (found[0, 0, 2] == 0).all()
    assert sums[0, 0].isnan().tolist() == [False, True, False]
    assert sums[0, 0, 0] == lse[0, 0, 0]


def test_a_broken_value_shows_in_its_own_column_and_not_in_the_lse() -> None:
    q, k, v = inputs()
    v[0, 0, 0, 1] = torch.nan
    found, lse = fused.guarded(q, k, v, attend, attend)
    assert found[0, 0].isnan().tolist() == [[False, True], [False, False], [False, False]]
    assert torch.equal(lse, attend(q, k, v)[1])


def test_a_broken_query_shows_in_its_row_alone_and_not_in_an_empty_one() -> None:
    q, k, v = inputs()
    q[0, 0, 1:] = torch.nan
    found, lse = fused.guarded(q, k, v, attend, attend)
    assert found[0, 0].isnan().any(-1).tolist() == [False, True, False]
    assert lse[0, 0].isnan().tolist() == [False, True, False]


def test_no_gradient_flows_to_what_is_broken_or_marked() -> None:
    q, k, v = (t.requires_grad_() for t in inputs())
    with torch.no_grad():
        k[0, 0, 2] = torch.nan
    found, _ = fused.guarded(q, k, v, attend, attend)
    found.nan_to_num().sum().backward()
    assert q.grad is not None
    assert k.grad is not None
    assert q.grad[0, 0, 0].any()
    assert not q.grad[0, 0, 1].any()
    assert not k.grad[0, 0, 2].any()
    assert torch.isfinite(k.grad).all()


def test_vectors_are_prepared_in_float32_and_rounded_once() -> None:
    q, k, v = (t.detach() for t in cases.inputs(torch.bfloat16))
    form = fused.prepared(request(q, k, v, score=Cosine(3.0)))
    assert (form.query.dtype, form.scale) == (torch.bfloat16, 3.0)
    exact = q.double() / q.double().norm(dim=-1, keepdim=True)
    torch.testing.assert_close(form.query.double(), exact, rtol=2**-8, atol=0)
    weight = torch.eye(cases.DIM)
    assert torch.equal(fused.prepared(request(q, k, v, score=General(weight))).query, q)
    assert fused.prepared(request(q, k, v, score=Dot())).key is k
