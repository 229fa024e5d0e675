"""Gradients through what a tile of queries reads, against autograd in float64 (tests/focus_tiles_gradients.py)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests.focus_cases import DIM, HEADS, KEYS, KV_HEADS, asked, inputs, normal
from tests.focus_tiles_gradients import check_gradients
from tests.focus_tiles_reference import BUDGET, small_tiles

import regard
from regard.kernels.focus_tiles import tiles
from regard.spec import Causal, Dense, General, KernelError, Mask, Prefix, Request, SinkLogits, Window, request

QUERIES = 61


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_tiles():
        yield


def trained(mask: Mask | None = None, dtype: torch.dtype = torch.float32, **more: object) -> Request:
    tensors = (each.requires_grad_() for each in inputs(dtype, queries=QUERIES))
    return request(*tensors, mask=mask, **more)  # type: ignore[arg-type]


def left_padding() -> Mask:
    real = (torch.arange(KEYS) >= torch.tensor([[30], [0]]))[:, None, None]
    return Causal() & Dense(real)


@pytest.mark.parametrize(
    "mask",
    [None, Causal(), Window(90, 0) & Causal(), left_padding(), Causal() & ~Prefix(100)],
    ids=["no mask", "causal", "window", "padding left", "nothing for some"],
)
def test_every_mask(mask: Mask | None) -> None:
    check_gradients(trained(mask))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_every_dtype(dtype: torch.dtype) -> None:
    check_gradients(trained(Causal(), dtype))


def test_everything_read_and_next_to_nothing_read() -> None:
    check_gradients(trained(Causal()), replace(BUDGET, fraction=1.0))
    check_gradients(trained(Causal()), replace(BUDGET, fraction=0.3))


def test_a_score_with_a_matrix_and_sink_logits() -> None:
    """A key that nobody reads one by one is trained as a part of its block's mean."""
    weight = (normal(DIM, DIM, seed=8) / 4).float().requires_grad_()
    check_gradients(trained(Causal(), score=General(weight)))
    check_gradients(trained(Causal(), bias=SinkLogits(torch.linspace(-2, 3, HEADS).requires_grad_())))


def test_one_query_wants_a_gradient_too() -> None:
    """Tiles serve it, as codes and rounded keys have none."""
    q, k, v = (each.requires_grad_() for each in inputs(queries=1))
    found = regard.attend(q, k, v, mask=Causal(), budget=BUDGET, kernel="focus-tiles")
    found.sum().backward()
    for each in (q, k, v):
        assert each.grad is not None
        assert bool(each.grad.isfinite().all())
    with pytest.raises(KernelError, match="has no gradient"):
        regard.attend(q, k, v, mask=Causal(), budget=BUDGET, kernel="focus")
    assert regard.plan(q, k, v, mask=Causal(), budget=replace(BUDGET, policy=replace(BUDGET.policy, grain=4))).chosen


def test_training_changes_no_output() -> None:
    with torch.no_grad():
        want = tiles(trained(Causal()), BUDGET)
    found = tiles(trained(Causal()), BUDGET)
    assert torch.equal(found.output, want.output)
    assert torch.equal(found.lse, want.lse)
    assert not want.output.requires_grad


def test_queries_that_see_nothing_send_nothing_back() -> None:
    made = trained(Prefix(0))
    tiles(made, BUDGET).output.sum().backward()
    for each in (made.query, made.key, made.value):
        assert each.grad is not None
        assert not each.grad.any()


def test_heads_that_share_nothing_and_a_short_prompt() -> None:
    q, k, v = (each.detach().requires_grad_() for each in inputs(queries=QUERIES))
    check_gradients(request(q[:, :KV_HEADS], k, v, mask=Causal()))
    check_gradients(asked_with_gradient(17))


def asked_with_gradient(queries: int) -> Request:
    made = asked(Causal(), queries=queries)
    return replace(
        made, query=made.query.requires_grad_(), key=made.key.requires_grad_(), value=made.value.requires_grad_()
    )
