"""torch's own lse: seen where torch lets it be seen, right there, and never at the price of another output."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tests.observed import figures, hold
from torch.nn.attention import SDPBackend, sdpa_kernel

from regard.kernels import exact
from regard.spec import (
    ActivatedDot,
    ALiBi,
    Causal,
    Cosine,
    Dot,
    General,
    Mask,
    Padding,
    Prefix,
    Request,
    ScaledDot,
    Score,
    Window,
    request,
)
from regard.spec.request import DTYPES

HALF = (torch.bfloat16, torch.float16)
SHAPES = {  # (batch, heads, queries, dim), (batch, kv_heads, keys, dim), value_dim
    "square": ((2, 3, 37, 8), (2, 3, 37, 8), 8),
    "grouped": ((1, 6, 37, 8), (1, 2, 37, 8), 8),
    "one key head": ((1, 5, 7, 3), (1, 1, 7, 3), 3),
    "wider values": ((1, 2, 13, 5), (1, 2, 13, 5), 11),
    "narrower values": ((1, 4, 13, 11), (1, 2, 13, 11), 5),
    "more keys": ((1, 2, 5, 8), (1, 2, 37, 8), 8),
    "more queries": ((1, 2, 37, 8), (1, 2, 5, 8), 8),
    "one of each": ((1, 1, 1, 1), (1, 1, 1, 1), 1),
    "many": ((1, 2, 601, 16), (1, 1, 601, 16), 16),
}


def ask(shape: str = "square", mask: Mask | None = None, score: Score | None = None, **more: object) -> Request:
    dtype = more.pop("dtype", torch.float32)
    query, key, value_dim = SHAPES[shape]
    source = torch.Generator().manual_seed(1)
    sizes = (query, key, (*key[:3], value_dim))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).to(dtype) for s in sizes)  # type: ignore[call-overload]
    return request(q, k, v, mask=mask, score=score or ScaledDot(), **more)  # type: ignore[arg-type]


def hold_both(asked: Request, *, seen: bool = True) -> None:
    """The same output, bit for bit; an lse where one is expected, the truth's."""
    output, lse = exact.with_lse(asked)
    assert torch.equal(output, exact.run(asked)[0])
    assert (lse is not None) == seen
    if lse is not None:
        true = figures(asked)
        floor = 4 * torch.finfo(lse.dtype).eps * (1 + true.largest_score)
        working = torch.promote_types(asked.query.dtype, torch.float32)
        hold("lse", lse, true.lse, 1e-5 if working == torch.float32 else 1e-12, floor, working)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_mask_and_causal_from_0(shape: str, dtype: torch.dtype) -> None:
    for score in (ScaledDot(), Dot(), ScaledDot(-0.3), ScaledDot(0.0), ScaledDot(1e-42)):
        hold_both(ask(shape, score=score, dtype=dtype), seen=dtype not in HALF)
        hold_both(ask(shape, Causal(), score, query_start=0, dtype=dtype), seen=dtype not in HALF)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    "score", [Cosine(8.0), General(torch.eye(8) + 0.1), ActivatedDot(torch.ones(8), 0.5, "identity")]
)
def test_scores_that_are_prepared(score: Score, dtype: torch.dtype) -> None:
    """In half types torch is given rounded queries, and rounds its exponentials: its lse has four digits."""
    hold_both(ask(score=score, dtype=dtype), seen=dtype not in HALF)
    hold_both(ask("grouped", Causal(), score=score, dtype=dtype), seen=dtype not in HALF)


def test_a_mask_that_forbids_nothing_is_no_mask() -> None:
    for mask in (Prefix(37), Padding(torch.tensor([37, 37])), Window(40, 40)):
        hold_both(ask(mask=mask))


@pytest.mark.parametrize(
    ("mask", "more"),
    [
        (Causal(), {"query_start": 1}),
        (Window(3, 0), {}),
        (Padding(torch.tensor([5, 37])), {}),
        (None, {"bias": ALiBi(torch.ones(3))}),
        (Causal(), {"bias": torch.zeros(37, 37)}),
    ],
    ids=["causal from 1", "window", "padding", "bias", "causal and bias"],
)
def test_what_must_be_laid_out_leaves_no_lse(mask: Mask | None, more: dict[str, object]) -> None:
    hold_both(ask(mask=mask, **more), seen=False)


@pytest.mark.parametrize("what", [torch.nan, torch.inf])
@pytest.mark.parametrize("which", ["query", "key", "value"])
def test_inputs_that_are_not_finite_go_the_careful_way(which: str, what: float) -> None:
    for mask in (None, Causal()):
        asked = ask(mask=mask)
        getattr(asked, which)[0, 1, 5, 2] = what
        output, lse = exact.with_lse(asked)
        assert lse is None
        torch.testing.assert_close(output, exact.run(asked)[0], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("mask", [None, Causal()], ids=repr)
@pytest.mark.parametrize("shape", ["square", "grouped", "wider values"])
def test_the_gradients_are_the_same_too(shape: str, mask: Mask | None) -> None:
    grads = []
    for way in (exact.run, exact.with_lse):
        asked = ask(shape, mask)
        leaves = [t.requires_grad_() for t in (asked.query, asked.key, asked.value)]
        output = way(asked)[0]
        grads.append(torch.autograd.grad(output.square().sum(), leaves))
    assert all(torch.equal(a, b) for a, b in zip(*grads, strict=True))


def test_inputs_that_do_not_lie_in_one_piece() -> None:
    q, k, v = (torch.randn(2, 37, 3, 8).transpose(1, 2) for _ in range(3))
    hold_both(request(q, k, v))
    hold_both(request(q.mT.contiguous().mT, k.mT.contiguous().mT, v[:, :, ::1], mask=Causal()))
    hold_both(request(q[..., ::2], k[..., ::2], v[..., 1:]))


def test_a_caller_who_switched_torchs_operation_off_has_that_output() -> None:
    with sdpa_kernel(SDPBackend.MATH):
        hold_both(ask("many"), seen=False)


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_under_autocast(dtype: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=dtype):
        hold_both(ask("many"), seen=False)


@pytest.mark.parametrize("change", ["gone", "other arguments", "other results"])
def test_where_torch_spells_it_otherwise_it_is_done_without(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "_scaled_dot_product_flash_attention_for_cpu"
    real = getattr(torch.ops.aten, name).default._schema
    takes, gives = list(real.arguments), list(real.returns)
    if change == "other arguments":
        takes = takes[:-1]
    if change == "other results":
        gives = gives[:1]
    schema = SimpleNamespace(arguments=takes, returns=gives)
    made = SimpleNamespace(
        **({} if change == "gone" else {name: SimpleNamespace(default=SimpleNamespace(_schema=schema))})
    )
    monkeypatch.setattr(torch.ops, "aten", made)
    found = exact._flash()
    monkeypatch.undo()
    assert found is None
    monkeypatch.setattr(exact, "FLASH", None)
    hold_both(ask(), seen=False)


def test_grouped_heads_only_where_torchs_operation_takes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "TAKES_GROUPS", False)
    hold_both(ask("grouped"), seen=False)
    hold_both(ask("square"))


def test_this_torch_lets_it_be_seen() -> None:
    assert exact._flash() is not None
    assert exact.TAKES_GROUPS
