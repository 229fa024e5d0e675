"""The kernel for few queries: against the truth over the grid and random calls, in many runs and parts, and what it
leaves unread."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import cases
from tests.comparison import check, truth
from tests.few_calls import MASKS, numbers
from tests.strategies import calls

from regard.kernels import few, few_blocks
from regard.kernels.table_few import FEW_ROWS, few_cost
from regard.spec import (
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Mask,
    Padding,
    Request,
    ScaledDot,
    SinkLogits,
    Window,
    request,
)
from regard.spec.request import DTYPES

ROW = next(row for row in FEW_ROWS if row.name == "few")
SCORES = [name for name, score in cases.scores(torch.float32).items() if type(score) in ROW.scores]


@pytest.fixture(params=["one run", "many runs"])
def runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many: 16 keys a run, and one or two runs' scores at once."""
    if request.param == "many runs":
        monkeypatch.setattr(few_blocks, "BLOCK", 1)
        monkeypatch.setattr(few, "SEGMENT", 32 * 12)


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are cut into parts by how many threads torch says it has; none is started here."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: request.param)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("score", SCORES)
def test_every_score_mask_and_bias(score: str, dtype: torch.dtype) -> None:
    biases = list(cases.biases(dtype))
    for number, mask in enumerate(cases.masks()):
        asked = cases.asked(score, mask, biases[number % len(biases)], dtype)
        check(ROW, asked, truth(asked, gradients=False), gradients=False)


def long(dtype: torch.dtype, mask: Mask | None, *, heads: int = 4, kv: int = 2, start: int | None = None) -> Request:
    """3 queries, 131 keys: 8 runs of 16 and one of 3."""
    q, k = numbers(2, heads, 3, 5, seed=1, dtype=dtype), numbers(2, kv, 131, 5, seed=2, dtype=dtype)
    v = numbers(2, kv, 131, 4, seed=3, dtype=dtype)
    bias = (ALiBi(torch.linspace(0.1, 1, heads)), SinkLogits(torch.linspace(-1, 1, heads)))
    return request(q, k, v, score=ScaledDot(softcap=4.0), mask=mask, bias=bias, query_start=start)


@pytest.mark.usefixtures("runs", "threads")
@pytest.mark.parametrize("mask", MASKS)
def test_runs_and_parts(mask: str) -> None:
    for dtype in (torch.float64, torch.bfloat16):
        for kv, start in ((2, None), (4, None), (1, 60), (2, 0), (2, -3)):
            asked = long(dtype, MASKS[mask], kv=kv, start=start)
            check(ROW, asked, truth(asked, gradients=False), gradients=False)


@pytest.mark.usefixtures("runs", "threads")
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_cache_of_any_layout(dtype: torch.dtype) -> None:
    """(batch, length, heads, dim) turned round, and every second key of a longer cache: the same numbers."""
    asked = long(dtype, Causal(), kv=2)
    want = few.run(asked)
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (asked.key, asked.value)]
    thinned = [t.repeat_interleave(2, 2)[:, :, ::2] for t in (asked.key, asked.value)]
    for key, value in (turned, thinned):
        got = few.run(replace(asked, key=key, value=value))
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=150)
@given(data=st.data())
def test_any_call(dtype: torch.dtype, data: st.DataObject) -> None:
    asked = data.draw(calls(dtype, longest=data.draw(st.sampled_from([5, 60])))).asked()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few_blocks, "BLOCK", 1)
        patch.setattr(few, "SEGMENT", data.draw(st.sampled_from([1, 100, 1 << 20])))
        if type(asked.score) in ROW.scores:
            check(ROW, asked, truth(asked, gradients=False), gradients=False)


@pytest.mark.usefixtures("runs")
def test_heads_that_share_a_key_head_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """4 heads on 2 key heads, 3 queries: each product has 2 x 3 rows, and no key goes into two of them."""
    seen = []
    original = torch.bmm
    monkeypatch.setattr(torch, "bmm", lambda a, b: seen.append((a.shape, b.shape)) or original(a, b))
    few.run(long(torch.float64, None))
    scores = [(a, b) for a, b in seen if a[2] == 5]
    assert {a[1] for a, _ in seen} == {6}
    assert sum(b[0] * b[2] for _, b in scores) == 2 * 2 * 131  # batch x key heads x keys


def test_keys_out_of_reach_are_not_read() -> None:
    """NaN outside a window stays unseen without the careful way being asked."""
    asked = long(torch.float32, Window(9, 0))
    spoilt = replace(asked, key=asked.key.clone(), value=asked.value.clone())
    spoilt.key[:, :, :119], spoilt.value[:, :, :119] = torch.nan, torch.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(few, "streaming", None)
        torch.testing.assert_close(few.run(spoilt), few.run(asked), rtol=0, atol=0)


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_nobody_may_look_at_leaves_no_trace(dtype: torch.dtype, what: float) -> None:
    closed = Dense(torch.arange(131)[None] % 2 == 0)
    for mask, spot in ((Padding(torch.tensor([131, 100])), slice(100, 131)), (closed, slice(1, None, 2))):
        for score in (ScaledDot(), Cosine(3.0), ScaledDot(softcap=2.0)):
            asked = replace(long(dtype, mask), score=score)
            spoilt = replace(asked, key=asked.key.clone(), value=asked.value.clone())
            spoilt.key[1, :, spot], spoilt.value[1, :, spot] = what, what
            torch.testing.assert_close(few.run(spoilt), few.run(asked))


def test_who_may_look_sees_nan() -> None:
    asked = long(torch.float32, Causal(), start=100)
    spoilt = replace(asked, value=asked.value.clone())
    spoilt.value[1, 0, 102, 2] = torch.nan  # seen by the last query alone, in one coordinate
    output, lse = few.run(spoilt)
    want = torch.zeros_like(output, dtype=torch.bool)
    want[1, :2, 2, 2] = True
    assert torch.equal(torch.isnan(output), want)
    assert torch.isfinite(lse).all()


def test_numbers_too_large_for_the_dtype_of_the_scores() -> None:
    """q · k is 1e39: beyond float32, within float64."""
    q, k = torch.full((1, 1, 1, 1), 1e20), torch.tensor([1e19, 0.0]).view(1, 1, 2, 1)
    v = torch.tensor([1.0, 2.0]).view(1, 1, 2, 1)
    asked = request(q.double(), k.double(), v.double())
    output, lse = few.run(asked)
    assert (output.item(), lse.item()) == (1.0, pytest.approx(1e39))
    assert torch.isnan(few.run(request(q, k, v))[0]).all()  # as every kernel in float32


def test_autocast_changes_nothing() -> None:
    asked = long(torch.float32, Causal())
    want = few.run(asked)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = few.run(asked)
    torch.testing.assert_close(got, want, rtol=0, atol=0)


def test_the_row_says_what_it_is_for() -> None:
    asked = long(torch.float32, Window(9, 0))
    assert few.fits(asked) is None
    many = request(torch.ones(1, 1, 17, 2), torch.ones(1, 1, 20, 2), torch.ones(1, 1, 20, 2))
    assert few.fits(many) == "is made for at most 16 queries, got 17"


def test_the_cost_counts_the_keys_in_reach_once_for_all_heads() -> None:
    """3 queries see keys 119..130: 12 of 131; 2 items, 2 key heads, 5 + 4 numbers of 4 bytes a key."""
    cost = few_cost(long(torch.float32, Window(9, 0)))
    assert cost.bytes == pytest.approx(12 * 2 * 2 * (5 + 4) * 4)
    assert cost.flops == 2 * (2 * 4 * 3 * 12) * (5 + 4)
    assert cost.square_bytes == 0
