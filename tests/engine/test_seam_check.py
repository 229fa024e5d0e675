"""A request that does not account for the model's output is told from one that does."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import regard
from regard import Causal, Dense, Request, ScaledDot, SinkLogits
from regard.engine.seam_check import accounts_for


def asked(dtype: torch.dtype = torch.float32, **more: object) -> Request:
    source = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(2, heads, 7, 8, generator=source).to(dtype) for heads in (4, 2, 2))
    return regard.request(q, k, v, **more)  # type: ignore[arg-type]


def output(request: Request) -> torch.Tensor:
    biases = (*request.biases, *((request.sink,) if request.sink else ()))
    return regard.attend(
        *(request.query, request.key, request.value),
        score=request.score,
        mask=request.mask,
        bias=biases or None,
        query_start=request.place.query_start,
    )


BIAS = torch.randn(4, 7, 7, generator=torch.Generator().manual_seed(2))[None]
SPECS = {
    "plain": {},
    "causal": {"mask": Causal()},
    "dense": {"mask": Dense(torch.eye(7, dtype=torch.bool))},
    "bias": {"bias": BIAS},
    "sinks": {"bias": SinkLogits(torch.tensor([0.0, 1.0, 2.0, 3.0]))},
    "softcap": {"score": ScaledDot(0.5, softcap=2.0)},
    "beyond the keys": {"mask": Causal(), "query_start": 3},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("spec", SPECS)
def test_what_accounts_for_it(spec: str, dtype: torch.dtype) -> None:
    request = asked(dtype, **SPECS[spec])
    assert accounts_for(request, output(request)) is None


@pytest.mark.parametrize("wrong", [name for name in SPECS if name != "plain"])
def test_what_does_not(wrong: str) -> None:
    told = accounts_for(asked(**SPECS[wrong]), output(asked()))
    assert told is not None
    assert "does not give the model's own output" in told


def test_rows_that_attend_to_nothing_are_not_compared() -> None:
    request = asked(mask=Dense(torch.arange(7)[:, None].expand(7, 7) < 6))
    filled = output(request)
    filled[:, :, 6] = 5.0  # some models give the mean of the values there
    assert accounts_for(request, filled) is None


def test_under_autocast_agreement_is_that_of_half_precision() -> None:
    request = asked()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = request.query @ request.key.repeat_interleave(2, 1).mT * 8**-0.5
        rough = torch.softmax(scores, -1) @ request.value.repeat_interleave(2, 1)
        assert accounts_for(request, rough.float()) is None
    assert accounts_for(request, rough.float()) is not None
    assert accounts_for(request, rough) is None  # its own dtype says how rough it is


def test_nan_is_no_agreement_and_dropout_is_not_judged() -> None:
    request = asked()
    assert accounts_for(request, torch.full((2, 4, 7, 8), torch.nan)) is not None
    assert accounts_for(replace(request, dropout=0.5), torch.zeros(2, 4, 7, 8)) is None
