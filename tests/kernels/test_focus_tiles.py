"""`Focus` for prompts against its slow self (tests/focus_tiles_reference.py), in small tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests.comparison import hold, truth
from tests.focus_cases import HALF, HEADS, KEYS, KV_HEADS, POLICY, asked, inputs
from tests.focus_tiles_reference import BUDGET, check, small_tiles

from regard.kernels.focus_tiles import tiles
from regard.kernels.sketch import Sketch
from regard.spec import (
    Budget,
    Causal,
    Dense,
    Documents,
    Focus,
    KernelError,
    Mask,
    Padding,
    Prefix,
    SinkLogits,
    Sinks,
    SpecError,
    Window,
    request,
)
from regard.spec.request import DTYPES

QUERIES = 61
AS_IT_IS = replace(POLICY, bits=16)


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_tiles():
        yield


def masks() -> dict[str, Mask | None]:
    real = (torch.arange(KEYS) >= torch.tensor([[30], [0]]))[:, None, None]
    ids = (torch.arange(KEYS) > 61).long()
    return {
        "no mask": None,
        "causal": Causal(),
        "window": Window(90, 0) & Causal(),
        "sinks and window": Causal() & (Sinks(12) | Window(70, 0)),
        "padding right": Padding(torch.tensor([157, 131])),
        "padding left": Causal() & Dense(real),
        "documents": Causal() & Documents(ids[-QUERIES:], ids),
        "prefix": Causal() | Prefix(120),
        "nothing for some": Causal() & ~Prefix(100),
    }


@pytest.mark.parametrize("mask", masks())
def test_every_mask(mask: str) -> None:
    check(asked(masks()[mask], queries=QUERIES), choices=0 if mask == "nothing for some" else 4)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype(dtype: torch.dtype) -> None:
    check(asked(Causal(), dtype, queries=QUERIES))


@pytest.mark.parametrize(
    "budget",
    [
        replace(BUDGET, fraction=0.3),
        replace(BUDGET, fraction=0.99),
        Budget(keys=80, policy=AS_IT_IS),
        replace(BUDGET, policy=replace(AS_IT_IS, first=0)),
        replace(BUDGET, policy=replace(AS_IT_IS, first=13, grain=5)),
        replace(BUDGET, policy=replace(AS_IT_IS, sketch=3.0, grain=16)),
    ],
    ids=repr,
)
def test_every_budget(budget: Budget) -> None:
    check(asked(Causal(), queries=QUERIES), budget)


def test_a_budget_that_pays_for_all_keys_reads_them_all() -> None:
    made = asked(Causal(), queries=QUERIES)
    check(made, replace(BUDGET, fraction=1.0), choices=0)
    found = tiles(made, replace(BUDGET, fraction=1.0))
    torch.testing.assert_close(found.output, truth(made, gradients=False).output.to(found.output), rtol=1e-5, atol=1e-5)


def test_a_prompt_from_its_first_token_on_and_a_piece_of_it() -> None:
    """The first tiles see too little for a sketch and read all; there they are exact."""
    whole = asked(Causal(), queries=KEYS)
    check(whole)
    found, true = tiles(whole, BUDGET), truth(whole, gradients=False)
    hold("output", found.output[:, :, :8], true.output[:, :, :8], 1e-5)
    check(asked(Causal(), queries=20, query_start=100))
    check(asked(None, queries=20, query_start=-50))


def test_sink_logits_and_heads_that_share_nothing() -> None:
    check(asked(Causal(), queries=QUERIES, bias=SinkLogits(torch.linspace(-2, 3, HEADS))))
    q, k, v = inputs(queries=QUERIES)
    check(request(q[:, :KV_HEADS], k, v, mask=Causal()))


def test_a_budget_too_small_for_a_sketch_reads_all_and_says_so() -> None:
    made = asked(Causal(), queries=QUERIES)
    found = tiles(made, replace(BUDGET, fraction=0.05))
    hold("output", found.output, truth(made, gradients=False).output, 1e-5)
    assert float(found.bytes.max()) == found.full
    assert float(found.bytes.min()) >= 97 * 84  # what the first of 61 queries sees


def test_queries_that_may_see_nothing_give_nothing() -> None:
    found = tiles(asked(Prefix(0), queries=QUERIES), BUDGET)
    assert not found.output.any()
    assert bool(torch.isneginf(found.lse).all())
    assert not found.bytes.any()


def test_rounding_is_not_asked_of_a_sketch_of_its_own() -> None:
    made = asked(Causal(), queries=QUERIES)
    assert torch.equal(tiles(made, HALF).output, tiles(made, BUDGET).output)


def test_refused() -> None:
    made = asked(Causal(), queries=QUERIES)
    kept = Sketch.of(made.key, made.value, policy=POLICY)
    with pytest.raises(SpecError, match="the sketch was made for Focus"):
        tiles(made, replace(HALF, policy=Focus()), kept)
    apart = Dense(torch.ones(1, HEADS, QUERIES, KEYS, dtype=torch.bool).tril(90))
    with pytest.raises(KernelError, match="a mask that is the same for all heads"):
        tiles(asked(apart, queries=QUERIES), BUDGET)


def test_half_precision_around_it_changes_nothing() -> None:
    want = tiles(asked(Causal(), queries=QUERIES), BUDGET)
    with torch.autocast("cpu", torch.bfloat16):
        found = tiles(asked(Causal(), queries=QUERIES), BUDGET)
    assert torch.equal(found.output, want.output)
