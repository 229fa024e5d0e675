"""What is particular to torch's SDPA: when its own causal flag is used, and where it would go wrong alone."""

from __future__ import annotations

import pytest
import torch
from tests.comparison import check, truth

from regard.kernels import exact
from regard.kernels.table import row
from regard.spec import ALiBi, Causal, Cosine, Dense, Mask, Padding, Prefix, Request, ScaledDot, Score, Window, request
from regard.spec.request import DTYPES

EXACT = row("exact")
assert EXACT is not None


def ask(
    score: Score | None = None, mask: Mask | None = None, queries: int = 5, keys: int = 7, **more: object
) -> Request:
    source = torch.Generator().manual_seed(1)
    dtype = more.pop("dtype", torch.float64)
    shapes = ((1, 2, queries, 3), (1, 1, keys, 3), (1, 1, keys, 4))
    q, k, v = (torch.randn(s, generator=source).to(dtype).requires_grad_() for s in shapes)  # type: ignore[call-overload]
    return request(q, k, v, score=score or ScaledDot(), mask=mask, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("scale", [-30.0, -0.3, 0.0, 1e-300, 1e-42, 0.5, 3.0])
@pytest.mark.parametrize("score", [ScaledDot, Cosine])
def test_causal_with_a_scale_of_0_or_below(score: type, scale: float, dtype: torch.dtype) -> None:
    """torch alone gives NaN: it multiplies the -inf of its causal mask by the scale."""
    asked = ask(score(scale), Causal(), query_start=0, dtype=dtype)
    assert exact.triangular(asked)
    check(EXACT, asked, truth(asked))


def test_torchs_own_causal_flag_only_from_position_0_and_without_a_bias() -> None:
    assert exact.triangular(ask(mask=Causal(), query_start=0))
    assert exact.triangular(ask(mask=Causal(), queries=7))
    assert not exact.triangular(ask(mask=Causal()))  # from position 2: torch would align top left
    assert not exact.triangular(ask(mask=Causal(), query_start=0, bias=ALiBi(torch.ones(2))))
    assert not exact.triangular(ask(mask=Causal() & Window(1, 0), query_start=0))
    assert not exact.triangular(ask())


def test_a_mask_that_forbids_nothing_is_left_out() -> None:
    assert exact.laid_out(ask()) is None
    assert exact.laid_out(ask(mask=Prefix(7))) is None
    assert exact.laid_out(ask(mask=Causal(), queries=1)) is None  # one query on the last key
    assert exact.laid_out(ask(mask=Padding(torch.tensor([7])))) is None
    laid = exact.laid_out(ask(mask=Padding(torch.tensor([3]))))
    assert laid is not None
    assert laid.dtype == torch.bool
    assert laid.flatten().tolist() == [True] * 3 + [False] * 4


def test_biases_are_summed_in_float32_at_least_and_carry_the_mask() -> None:
    bias = torch.tensor([[1.0, -256.0, 0.0, 0.0, 0.0, 0.0, 0.0]], dtype=torch.bfloat16)
    asked = ask(mask=Prefix(2), bias=(bias, torch.full((1, 7), -1.0)), dtype=torch.bfloat16)
    laid = exact.laid_out(asked)
    assert laid is not None
    assert laid.dtype == torch.float32
    assert laid.tolist() == [[[[0.0, -257.0] + [-torch.inf] * 5] * 5]]


@pytest.mark.parametrize("mask", [Dense(torch.arange(35).view(5, 7) % 2 > 0), Causal(), None], ids=repr)
def test_it_is_torchs_own_result_bit_for_bit(mask: Mask | None) -> None:
    """On SDPA's own ground nothing is added: one size, no groups."""
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(1, 2, n, 8, generator=source) for n in (5, 7, 7))
    asked = request(q, k, v, mask=mask, query_start=0)
    laid = mask.allowed[None, None] if isinstance(mask, Dense) else None
    causal = isinstance(mask, Causal)
    theirs = torch.nn.functional.scaled_dot_product_attention(q, k, v, laid, is_causal=causal)
    assert torch.equal(exact.run(asked)[0], theirs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_scale_below_0_costs_no_rounding(dtype: torch.dtype) -> None:
    below, above = ask(ScaledDot(-0.3), Causal(), query_start=0, dtype=dtype), ask(ScaledDot(0.3), dtype=dtype)
    turned = request(-below.query, below.key, below.value, score=above.score, mask=Causal(), query_start=0)
    assert torch.equal(exact.run(below)[0], exact.run(turned)[0])
