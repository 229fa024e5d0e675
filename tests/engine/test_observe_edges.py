"""Calls at the edge: nothing to see, one thing to see, rubbish where nobody may look, scores that are huge."""

from __future__ import annotations

import math

import pytest
import torch
from tests.observed import hold_seen
from torch import Tensor

import regard
from regard.engine.observation import Observation, Wanted
from regard.engine.observe import observe, statistics
from regard.kernels import layout
from regard.spec import (
    Additive,
    Causal,
    Cosine,
    Dense,
    Dot,
    Mask,
    Padding,
    Prefix,
    ScaledDot,
    Score,
    SinkLogits,
    Window,
    request,
)
from regard.spec.request import DTYPES

WANTED = Wanted(top=2, bins=(2, 3))
SCORES: list[Score] = [ScaledDot(), ScaledDot(softcap=2.0), Cosine(3.0), Additive(torch.tensor([0.5, -1.0, 2.0]))]


def inputs(
    queries: int, keys: int, dtype: torch.dtype = torch.float32, batch: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    shapes = ((batch, 4, queries, 3), (batch, 2, keys, 3), (batch, 2, keys, 5))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64).to(dtype) for s in shapes)
    return q, k, v


def same(one: Observation, other: Observation) -> None:
    """Every figure alike, to the last bit; no NaN."""
    for name, value in vars(one).items():
        if isinstance(value, Tensor):
            assert torch.equal(value, getattr(other, name)), name


# --- sizes


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("sizes", [(0, 5), (5, 0), (0, 0), (1, 1), (1, 7), (7, 1), (11, 3), (3, 11)], ids=str)
def test_lengths_of_0_and_1(sizes: tuple[int, int], dtype: torch.dtype) -> None:
    for mask in (None, Causal(), Window(0, 0)):
        q, k, v = inputs(*sizes, dtype)
        wanted = Wanted(top=2) if 0 in sizes else WANTED
        out, seen = observe(q, k, v, mask=mask, top=2, bins=wanted.bins)
        assert torch.equal(out, regard.attend(q, k, v, mask=mask))
        hold_seen(request(q, k, v, mask=mask), seen, wanted)
        if sizes[1] == 0:
            assert torch.isneginf(seen.lse).all()
            assert not seen.entropy.any()


def test_no_batch_and_vectors_without_entries() -> None:
    q, k, v = inputs(3, 5, batch=0)
    assert statistics(request(q, k, v), WANTED).received.shape == (0, 4, 5)
    asked = request(q.new_zeros(2, 4, 3, 0), k.new_zeros(2, 2, 5, 0), v.new_zeros(2, 2, 5, 0), score=Dot())
    seen = statistics(asked, WANTED)
    hold_seen(asked, seen, WANTED)
    torch.testing.assert_close(seen.breadth, torch.full((2, 4, 3), 5.0))


@pytest.mark.parametrize("start", [-50, -3, 0, 2, 4, 60])
def test_wherever_the_queries_stand(start: int) -> None:
    q, k, v = inputs(7, 11, torch.float64)
    for mask in (None, Causal(), Window(4, 4), ~Causal()):
        asked = request(q, k, v, mask=mask, query_start=start)
        hold_seen(asked, statistics(asked, WANTED), WANTED)
        _, seen = observe(q, k, v, mask=mask, query_start=start)
        assert seen.query_start == start


# --- empty rows


@pytest.mark.parametrize("sink", [None, SinkLogits(torch.tensor([0.5, 9.0, -3.0, 0.0]))], ids=["no sink", "sink"])
@pytest.mark.parametrize("score", SCORES, ids=repr)
def test_empty_rows(score: Score, sink: SinkLogits | None) -> None:
    empty = torch.tensor([False, True, False, False, True])
    q, k, v = inputs(5, 7)
    forbids = torch.zeros(5, 7).masked_fill(empty[:, None], -torch.inf)
    for mask, bias in ((Dense((~empty)[:, None]), ()), (None, (forbids,))):
        every = bias if sink is None else (*bias, sink)
        asked = request(q, k, v, score=score, mask=mask, bias=every)
        _, seen = observe(q, k, v, score=score, mask=mask, bias=every, top=2, bins=(5, 1))
        hold_seen(asked, seen, Wanted(top=2, bins=(5, 1)))
        assert torch.isneginf(seen.lse[..., empty]).all()
        assert not seen.entropy[..., empty].any()
        assert not seen.distance[..., empty].any()
        assert (seen.breadth[..., empty] == 1).all()
        assert seen.top_keys is not None
        assert seen.map is not None
        assert (seen.top_keys[:, :, empty] == -1).all()
        assert not seen.map[:, :, empty].any()


@pytest.mark.parametrize("mask", [~Prefix(7), Padding(torch.tensor([0, 0])), Window(0, 0) & ~Window(0, 0)], ids=repr)
def test_all_rows_are_empty(mask: Mask) -> None:
    q, k, v = inputs(5, 7)
    seen = observe(q, k, v, mask=mask, top=3, bins=(2, 2))[1]
    assert torch.isneginf(seen.lse).all()
    assert seen.top_keys is not None
    assert (seen.top_keys == -1).all()
    for figure in (seen.entropy, seen.distance, seen.received, seen.top_weights, seen.map):
        assert figure is not None
        assert not figure.any()


# --- rubbish where nobody may look

RUBBISH = [torch.nan, torch.inf, -torch.inf, 3e38, -3e38, 1e31]


@pytest.mark.parametrize("what", RUBBISH)
@pytest.mark.parametrize("score", SCORES, ids=repr)
def test_padded_keys_values_and_queries_leave_no_trace(score: Score, what: float) -> None:
    """The second item has 4 of 7 keys and 3 of 5 queries; its rubbish is in all coordinates or in one."""
    q, k, v = inputs(5, 7)
    mask = Padding(torch.tensor([7, 4]), torch.tensor([5, 3]))
    clean = observe(q, k, v, score=score, mask=mask, top=3, bins=(2, 3))
    spoilt = [t.clone() for t in (q, k, v)]
    spoilt[0][1, :, 3:], spoilt[1][1, :, 5:], spoilt[2][1, :, 4:] = what, what, what
    spoilt[1][1, :, 4, 1] = what
    out, seen = observe(*spoilt, score=score, mask=mask, top=3, bins=(2, 3))
    if abs(what) != 3e38:  # torch's own masked scores overflow to NaN there
        torch.testing.assert_close(out, clean[0])
    hold_seen(request(q, k, v, score=score, mask=mask), seen, Wanted(top=3, bins=(2, 3)))
    direct = statistics(request(*spoilt, score=score, mask=mask), Wanted(top=3, bins=(2, 3)))
    hold_seen(request(q, k, v, score=score, mask=mask), direct, Wanted(top=3, bins=(2, 3)))


@pytest.mark.parametrize("what", RUBBISH)
def test_keys_that_a_bias_forbids_leave_no_trace(what: float) -> None:
    q, k, v = inputs(5, 7)
    bias = torch.randn(5, 7, generator=torch.Generator().manual_seed(2))
    bias[:, 5], bias[2] = -torch.inf, -torch.inf
    for score in SCORES:
        key = k.clone()
        key[:, :, 5] = what
        seen = statistics(request(q, key, v, score=score, bias=bias), WANTED)
        hold_seen(request(q, k, v, score=score, bias=bias), seen, WANTED)


@pytest.mark.parametrize("what", RUBBISH)
def test_a_bias_on_forbidden_keys_leaves_no_trace(what: float) -> None:
    q, k, v = inputs(5, 7)
    bias = torch.randn(5, 7, generator=torch.Generator().manual_seed(2))
    spoilt = bias.clone()
    spoilt[:, 6], spoilt[1, 4] = what, what
    mask = Padding(torch.tensor([4, 3]))
    seen = statistics(request(q, k, v, bias=spoilt, mask=mask), WANTED)
    hold_seen(request(q, k, v, bias=bias, mask=mask), seen, WANTED)


@pytest.mark.parametrize("score", SCORES, ids=repr)
def test_a_broken_query_spoils_its_own_figures_alone(score: Score) -> None:
    q, k, v = inputs(5, 7)
    broken = q.clone()
    broken[0, 1, 2, 0] = torch.nan
    seen = statistics(request(broken, k, v, score=score), Wanted(top=2))
    clean = statistics(request(q, k, v, score=score), Wanted(top=2))
    for name in ("lse", "entropy", "distance"):
        own, others = getattr(seen, name), getattr(clean, name)
        assert own[0, 1, 2].isnan()
        assert int(own.isnan().sum()) == 1
        torch.testing.assert_close(own[~own.isnan()], others[~own.isnan()])
    assert seen.received[0, 1].isnan().all()
    assert int(seen.received.isnan().sum()) == 7
    assert seen.top_weights is not None
    assert int(seen.top_weights[1].isnan().sum()) == 0


# --- large scores


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", [None, Causal(), Window(1, 1)], ids=repr)
def test_scores_of_ten_thousand(mask: Mask | None, dtype: torch.dtype) -> None:
    """q · k = 10,000, 0, -10,000: the first key, or the largest a query may see, takes all."""
    q = torch.tensor([[[[100.0, 0.0], [-100.0, 0.0], [0.0, 0.0]]]], dtype=dtype)
    k = torch.tensor([[[[100.0, 0.0], [0.0, 1.0], [-100.0, 0.0]]]], dtype=dtype)
    asked = request(q, k, k, score=Dot(), mask=mask)
    for kernel in (None, "exact", "streaming", "dense"):
        _, seen = observe(q, k, k, score=Dot(), mask=mask, kernel=kernel, top=2, bins=(3, 3))
        hold_seen(asked, seen, Wanted(top=2, bins=(3, 3)))
    if mask is None:
        seen = statistics(asked, Wanted(top=1))
        torch.testing.assert_close(seen.received[0, 0], torch.tensor([4 / 3, 1 / 3, 4 / 3]).to(seen.received))
        assert seen.top_keys is not None
        assert seen.top_keys[0, 0, :2].flatten().tolist() == [0, 2]


@pytest.mark.parametrize("scale", [0.0, 1e-15, 1e-3, 30.0, 300.0])
def test_scores_of_every_size(scale: float) -> None:
    q, k, v = inputs(7, 11)
    for score in SCORES:
        asked = request(scale * q, k, v, score=score, mask=Causal(), bias=100 * torch.randn(7, 11))
        hold_seen(asked, statistics(asked, WANTED), WANTED)


def test_a_bias_of_the_lowest_float_forbids_as_minus_infinity_does() -> None:
    """As float masks of other libraries are written. A query so forbidden every key counts as an empty row, whichever
    way the lse comes; in the output such a row is the plain mean that the kernels make of it."""
    q, k, v = inputs(5, 7)
    low = torch.zeros(5, 7)
    low[:, 4:], low[2] = torch.finfo(torch.float32).min, torch.finfo(torch.float32).min
    forbids = torch.where(low < 0, -torch.inf, 0.0)
    want = request(q, k, v, bias=forbids)
    for kernel in ("exact", "streaming", "dense"):
        _, seen = observe(q, k, v, bias=low, kernel=kernel, top=2, bins=(2, 3))
        lse = torch.where(seen.lse < -1e29, -torch.inf, seen.lse)
        hold_seen(want, Observation(**(vars(seen) | {"lse": lse})), WANTED)
    hold_seen(want, statistics(request(q, k, v, bias=low), WANTED), WANTED)


def test_a_thousand_equal_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Breadth 1,000, mass 1/1,000 of a query each; in tiles of 64 keys as well."""
    q, k = torch.zeros(1, 1, 3, 2), torch.zeros(1, 1, 1000, 2)
    for block in (256, 64):
        monkeypatch.setattr(layout, "GRAIN", block)
        seen = observe(q, k, k, top=5)[1]
        torch.testing.assert_close(seen.breadth, torch.full((1, 1, 3), 1000.0), rtol=1e-5, atol=0)
        torch.testing.assert_close(seen.received, torch.full((1, 1, 1000), 3e-3))
        assert seen.lse[0, 0, 0].item() == pytest.approx(math.log(1000))
