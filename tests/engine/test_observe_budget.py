"""What `observe` says under a budget: the weights that it left, 1 in every row, worked out key by key."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tests.comparison import hold
from tests.focus_cases import HALF, HEADS, KEYS, POLICY, asked, inputs
from tests.focus_tiles_reference import BUDGET, small_tiles
from torch import Tensor

import regard
from regard.kernels.focus_tiles import choices, tiles
from regard.kernels.sketch import Sketch
from regard.spec import Causal, Dense, KernelError, Mask, Prefix, Request, SinkLogits, SpecError, Window
from regard.spec.policy import WindowSinks

QUERIES = 61
WANTED = {"top": 5, "bins": (4, 7)}


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_tiles():
        yield


def weights_of(made: Request) -> Tensor:
    """(batch, heads, queries, keys) float64: every unread key of a block has what its mean key would have alone."""
    lse = tiles(made, BUDGET).lse.double()
    found = torch.zeros(*made.output_shape[:3], made.place.key_len, dtype=torch.float64)
    for lane, query, shelf, choice in choices(made, BUDGET):
        item, head = divmod(lane, made.key.shape[1])
        dim = query.shape[2]
        for row in choice.rows:
            for group in range(made.groups):
                place = item, head * made.groups + group, row
                vector = query[row, group].double() * math.log(2)
                if choice.blocks is not None:
                    means = shelf.means[choice.blocks, :dim].double() @ vector
                    found[place][choice.spread()] = (means - lse[place]).exp().repeat_interleave(choice.grain)
                own = (shelf.key[choice.keys].double() @ vector - lse[place]).exp()
                if choice.forbidden is not None:
                    own[choice.late :][choice.forbidden[row - choice.rows.start]] = 0
                found[place][choice.keys] = own
    return found.nan_to_num(0.0)


def left_padding() -> Mask:
    real = (torch.arange(KEYS) >= torch.tensor([[30], [0]]))[:, None, None]
    return Causal() & Dense(real)


MASKS = {"causal": Causal(), "window": Window(90, 0) & Causal(), "padding left": left_padding(), "none": None}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sink", [False, True], ids=["no sink", "sink"])
def test_every_figure(mask: str, sink: bool) -> None:
    logits = SinkLogits(torch.linspace(-2, 3, HEADS)) if sink else None
    made = asked(MASKS[mask], queries=QUERIES, bias=logits)
    q, k, v = inputs(queries=QUERIES)
    given = {"mask": MASKS[mask], "bias": logits, "budget": BUDGET, "kernel": "focus-tiles"}
    output, seen = regard.observe(q, k, v, **given, **WANTED)
    assert torch.equal(output, regard.attend(q, k, v, **given))
    weights = weights_of(made)
    if not sink:
        hold("a row's weights", weights.sum(-1), torch.ones(weights.shape[:3], dtype=torch.float64), 1e-5)
    hold("received", seen.received, weights.sum(2), 1e-5)
    hold("entropy", seen.entropy, torch.special.entr(weights).sum(-1), 1e-5)
    positions = torch.arange(QUERIES)[:, None] + KEYS - QUERIES
    hold("distance", seen.distance, (weights * (positions - torch.arange(KEYS)).abs()).sum(-1), 1e-5)
    top = weights.topk(5)
    hold("top weights", seen.top_weights, top.values, 1e-5)
    assert seen.map is not None
    hold("map", seen.map.sum((-1, -2)), weights.sum((-1, -2)), 1e-5)


def test_some_heads_and_some_queries() -> None:
    made, (q, k, v) = asked(Causal(), queries=QUERIES), inputs(queries=QUERIES)
    weights = weights_of(made)
    given = {"mask": Causal(), "budget": BUDGET, "kernel": "focus-tiles"}
    _, seen = regard.observe(q, k, v, **given, heads=(1, 5), queries=range(20, 31))
    hold("received", seen.received, weights[:, [1, 5], 20:31].sum(2), 1e-5)
    hold("entropy", seen.entropy, torch.special.entr(weights[:, [1, 5], 20:31]).sum(-1), 1e-5)
    _, seen = regard.observe(q, k, v, **given, sample=0.2, seed=3)
    hold("entropy", seen.entropy, torch.special.entr(weights[:, :, seen.queries]).sum(-1), 1e-5)


def test_a_sketch_that_is_kept_is_read() -> None:
    q, k, v = inputs(queries=QUERIES)
    kept = Sketch.of(k, v, query=q, policy=BUDGET.policy)
    given = {"mask": Causal(), "budget": BUDGET, "kernel": "focus-tiles"}
    assert torch.equal(
        regard.observe(q, k, v, **given, sketch=kept)[1].received, regard.observe(q, k, v, **given)[1].received
    )


def test_queries_that_see_nothing() -> None:
    q, k, v = inputs(queries=QUERIES)
    output, seen = regard.observe(q, k, v, mask=Prefix(0), budget=BUDGET, kernel="focus-tiles")
    for each in (output, seen.received, seen.entropy, seen.distance):
        assert not each.any()


def test_where_everything_is_read_it_is_the_usual_statistic() -> None:
    """A window of 6 keys holds no whole block of 8."""
    q, k, v = inputs(queries=QUERIES)
    narrow = Causal() & Window(5, 0)
    found = regard.observe(q, k, v, mask=narrow, budget=BUDGET, kernel="focus-tiles")[1]
    hold("received", found.received, regard.observe(q, k, v, mask=narrow)[1].received.double(), 1e-5)
    exact = regard.observe(q, k, v, mask=Causal(), budget=BUDGET, kernel="exact")[1]
    assert torch.equal(exact.received, regard.observe(q, k, v, mask=Causal(), kernel="exact")[1].received)


@pytest.mark.parametrize("mask", ["causal", "window", "padding left", "none"])
@pytest.mark.parametrize("bits", [4, 8, 16])
def test_one_query_at_a_time(mask: str, bits: int) -> None:
    """Weights times values are the output, but for what the mean of a block's values is off: with values that are alike
    within each block of 8, and no key behind the last, they are it, to the 11 bits that a mean is kept in."""
    q, k, v = inputs(keys=152)
    v = v[:, :, ::8].repeat_interleave(8, 2)
    padded = Causal() & Dense((torch.arange(152) >= torch.tensor([[30], [0]]))[:, None, None])
    masks = MASKS | {"padding left": padded}
    half = replace(HALF, policy=replace(POLICY, bits=bits))
    given = {"mask": masks[mask], "budget": half, "kernel": "focus"}
    output, seen = regard.observe(q, k, v, **given, bins=(5, 152), top=3)
    assert torch.equal(output, regard.attend(q, k, v, **given))
    assert seen.map is not None
    weights = seen.map.double()  # a bin for each query and key
    hold("a row's weights", weights.sum(-1), torch.ones(2, HEADS, 5, dtype=torch.float64), 1e-5)
    values = v.double().repeat_interleave(HEADS // v.shape[1], 1)
    hold("output", output, weights @ values, 0.05 if bits < 16 else 1e-3)
    hold("received", seen.received, weights.sum(2), 1e-5)
    hold("entropy", seen.entropy, torch.special.entr(weights).sum(-1), 1e-5)
    hold("top weights", seen.top_weights, weights.topk(3).values, 1e-5)


def test_refused() -> None:
    q, k, v = inputs(queries=5)
    with pytest.raises(KernelError, match=r"does not say which weights Budget.* leaves"):
        regard.observe(q, k, v, mask=Causal(), budget=regard.Budget(tolerance=0.1, policy=POLICY), kernel="focus")
    with pytest.raises(KernelError, match="does not say which weights"):
        regard.observe(q, k, v, budget=regard.Budget(fraction=0.5, policy=WindowSinks()))
    with pytest.raises(SpecError, match="expected a sketch"):
        regard.observe(q, k, v, budget=BUDGET, sketch=3)
