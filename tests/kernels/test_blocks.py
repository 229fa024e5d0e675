"""`blocks`: torch's operation strip by strip, against the truth: forward and backward, sinks, what is not finite."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests import cases, strips
from tests.comparison import check, hold, noise_of, truth
from tests.strips import BATCH, HEADS, KEYS, QUERIES, small_strips
from torch import Tensor

import regard
from regard.engine.plan import reasons
from regard.kernels import blocks, exact, layout
from regard.kernels.row import Row
from regard.kernels.table import row
from regard.spec import (
    Causal,
    Dense,
    KernelError,
    Mask,
    Padding,
    Prefix,
    Request,
    SinkLogits,
    Sinks,
    Window,
    request,
)
from regard.spec.request import DTYPES


def _row() -> Row:
    found = row("blocks")
    assert found is not None
    return found


ROW = _row()


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_strips():
        yield


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, bool]]:
    """(queries, keys, whether with a mask) of each call of torch's operation."""
    made: list[tuple[int, int, bool]] = []
    original: Any = exact.FLASH

    def counting(query: Tensor, key: Tensor, *args: Any, attn_mask: Tensor | None, **more: Any) -> Any:
        made.append((query.shape[2], key.shape[2], attn_mask is not None))
        return original(query, key, *args, attn_mask=attn_mask, **more)

    monkeypatch.setattr(exact, "FLASH", counting)
    return made


# --- every mask, bias, place and dtype


@pytest.mark.parametrize("start", strips.STARTS)
@pytest.mark.parametrize("mask", strips.masks())
def test_every_mask_anywhere(mask: str, start: int | None) -> None:
    check(ROW, *strips.call(mask, "no bias", torch.float64, start))


@pytest.mark.parametrize("bias", [bias for bias in strips.biases(torch.float64) if bias != "no bias"])
@pytest.mark.parametrize("mask", ["no mask", "padding", "packed", "dense", "sinks and window"])
def test_every_bias(mask: str, bias: str) -> None:
    check(ROW, *strips.call(mask, bias, torch.float64, None))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", ["no mask", "causal", "documents of each item", "dense of a head", "holes"])
def test_every_dtype(mask: str, dtype: torch.dtype) -> None:
    for bias in ("no bias", "all at once"):
        check(ROW, *strips.call(mask, bias, dtype, None))


@pytest.mark.parametrize("score", ["dot", "scaled by -.3", "cosine a head", "general a head", "straight"])
def test_every_score(score: str) -> None:
    for mask in ("causal but not near", "documents", "padded keys and queries"):
        asked = cases.asked(score, mask, "sink")
        check(ROW, asked, truth(asked))


@pytest.mark.parametrize("height", [1, 3, 64])
@pytest.mark.parametrize("grain", [1, 4, 64])
def test_strips_of_any_height(height: int, grain: int) -> None:
    for mask in ("sinks and window", "packed", "dense", "holes"):
        with small_strips(height, grain):
            check(ROW, *strips.call(mask, "no bias", torch.float64, None))


@pytest.mark.parametrize("sizes", [(5, 3), (3, 5), (8, 8)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_lies_otherwise_in_memory(dtype: torch.dtype, sizes: tuple[int, int]) -> None:
    dim, value_dim = sizes
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 4, QUERIES, dim), (2, 2, KEYS, dim), (2, 2, KEYS, value_dim))
    plain = [torch.randn(s, generator=source).to(dtype) for s in shapes]
    turned = [t.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for t in plain]
    spread = [t.repeat_interleave(2, -1)[..., ::2].requires_grad_() for t in plain]
    for q, k, v in (turned, spread):
        for mask in (Causal(), Padding(torch.tensor([31, 47])), Sinks(3) | Window(5, 0)):
            asked = request(q, k, v, mask=mask)
            check(ROW, asked, truth(asked))


def test_a_gradient_for_one_tensor_alone() -> None:
    for wanted in range(4):
        q, k, v = (t.detach() for t in strips.inputs(torch.float64))
        sink = torch.linspace(-1, 1, HEADS, dtype=torch.float64)
        (q, k, v, sink)[wanted].requires_grad_()
        asked = request(q, k, v, mask=Window(5, 2), bias=SinkLogits(sink))
        check(ROW, asked, truth(asked))


def test_the_output_is_the_same_whether_or_not_a_gradient_is_wanted() -> None:
    for dtype in DTYPES:
        for mask in ("causal", "padding", "nothing", "dense"):
            asked = strips.asked(mask, "sink", dtype)
            with torch.no_grad():
                plain = ROW.run(asked)[0]
            assert torch.equal(ROW.run(asked)[0], plain)


def test_a_second_derivative_is_refused() -> None:
    q, k, v = strips.inputs(torch.float64)
    (first,) = torch.autograd.grad(ROW.run(request(q, k, v))[0].square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_under_autocast_nothing_is_made_smaller() -> None:
    asked = strips.asked("causal", dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        check(ROW, asked, truth(asked))


@pytest.mark.parametrize("mask", ["padding", "documents of each item", "dense", "thin dense"])
def test_items_apart_are_as_they_are_alone(mask: str) -> None:
    asked = strips.asked(mask)
    parts = layout.items(asked)
    assert len(parts) == BATCH
    together = ROW.run(asked)[0]
    for number, part in enumerate(parts):
        assert torch.equal(ROW.run(part)[0][0], together[number])


# --- what torch is given


def ask(mask: Mask | None, length: int = 16, **more: object) -> Request:
    q = torch.randn(1, 1, length, 2)
    return request(q, q, q, mask=mask, **more)  # type: ignore[arg-type]


def test_a_windows_strips_are_one_call_but_for_the_first(calls: list[tuple[int, int, bool]]) -> None:
    """The strips of queries 4, 8 and 12 see the 7 keys from 1, 5 and 9."""
    with small_strips(4):
        asked = ask(Window(3, 0))
        hold("output", ROW.run(asked)[0], truth(asked).output, 1e-6)
    assert calls == [(4, 4, True), (4, 7, True)]


def test_where_heads_share_keys_each_strip_is_a_call(calls: list[tuple[int, int, bool]]) -> None:
    q, k = torch.randn(1, 4, 16, 2), torch.randn(1, 2, 16, 2)
    with small_strips(4):
        asked = request(q, k, k, mask=Window(3, 0))
        hold("output", ROW.run(asked)[0], truth(asked).output, 1e-6)
    assert calls == [(4, 4, True), (4, 7, True), (4, 7, True), (4, 7, True)]


def test_a_series_ends_where_a_strip_is_another() -> None:
    """17 queries in strips of 4: the last has one query."""
    with small_strips(4):
        for batch, transposed in ((1, False), (3, True)):
            q, k, v = (torch.randn(batch, 2, 17, d) for d in (5, 5, 3))
            if transposed:
                q, k, v = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (q, k, v))
            asked = request(q, k, v, mask=Causal() & Window(5, 0))
            hold("output", ROW.run(asked)[0], truth(asked).output, 1e-6)


def test_spans_that_do_not_touch_are_laid_side_by_side(calls: list[tuple[int, int, bool]]) -> None:
    """Two first keys beside the window's, of which blocks of 2 are taken whole: 4 to 11 where 5 to 11 are seen."""
    with small_strips(4, grain=2):
        asked = ask(Sinks(2) | Window(3, 0))
        hold("output", ROW.run(asked)[0], truth(asked).output, 1e-6)
    assert calls == [(4, 4, True), (4, 8, True), (4, 2 + 8, True), (4, 2 + 8, True)]


def test_documents_need_no_mask(calls: list[tuple[int, int, bool]]) -> None:
    ids = torch.tensor([0] * 6 + [1] * 10)
    with small_strips(16):
        ROW.run(ask(regard.Documents(ids)))
    assert calls == [(6, 6, False), (10, 10, False)]


def test_what_no_query_sees_is_not_computed(calls: list[tuple[int, int, bool]]) -> None:
    assert not ROW.run(ask(Prefix(0)))[0].any()
    assert calls == []
    q = torch.randn(2, 1, 16, 2)
    ROW.run(request(q, q, q, mask=Padding(torch.tensor([16, 4]))))
    assert {keys for _, keys, _ in calls} == {16, 4}


def test_without_a_mask_there_is_one_call(calls: list[tuple[int, int, bool]]) -> None:
    assert blocks.height(ask(None)) == 16
    with small_strips(99):
        ROW.run(ask(None))
    assert calls == [(16, 16, False)]


def test_strips_are_lower_where_more_heads_share_the_price_of_a_call() -> None:
    def height(heads: int) -> int:
        q = torch.zeros(1).expand(1, heads, 4096, 64)
        return blocks.height(request(q, q, q, mask=Causal()))

    assert [height(heads) for heads in (1, 2, 8, 9, 64)] == sorted((height(h) for h in (1, 2, 8, 9, 64)), reverse=True)
    assert all(blocks.LOWEST <= height(heads) <= blocks.HIGHEST for heads in (1, 8, 64, 999))
    assert height(1) > height(64)


@pytest.mark.parametrize("mask", [Causal(), Window(20, 0), Dense(torch.rand(64, 64) > 0.5), Sinks(2) | Window(9, 3)])
def test_a_mask_is_never_laid_out_as_a_whole(mask: Mask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 16 strips of 4 queries, at no time are there more laid-out masks than are kept, and the one in use."""
    living: list[weakref.ref[Tensor]] = []
    most = 0
    original = blocks._cut

    def watched(*args: Any) -> Any:
        nonlocal most
        made = original(*args)
        living.append(weakref.ref(made.added))
        most = max(most, len({id(held) for each in living if (held := each()) is not None}))
        return made

    monkeypatch.setattr(blocks, "_cut", watched)
    with small_strips(4, grain=64):
        q = torch.randn(1, 1, 64, 2, requires_grad=True)
        ROW.run(request(q, q, q, mask=mask))[0].sum().backward()
    assert len(living) == 32
    assert most <= blocks.KEPT + 2


def test_a_relative_mask_is_laid_out_once_for_strips_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[range] = []
    original = blocks._added
    monkeypatch.setattr(blocks, "_added", lambda r, rows, cols: made.append(rows) or original(r, rows, cols))
    with small_strips(4, grain=4):
        asked = ask(Window(4, 0), 40)
        hold("output", ROW.run(asked)[0], truth(asked).output, 1e-6)
        assert made == [range(4), range(4, 8)]  # the first has no keys before it; all others are like the second
        made.clear()
        ROW.run(ask(Window(4, 0) & Prefix(99), 40))
        assert len(made) == 10
        made.clear()
        ROW.run(ask(Window(4, 0), 40, bias=torch.zeros(40, 40)))
        assert len(made) == 10


# --- sinks


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("mask", ["no mask", "causal", "padding", "nothing", "sinks and window"])
def test_sinks_with_their_gradients(mask: str, dtype: torch.dtype) -> None:
    """The gradient of the lse rides along as one more column; values are narrower than keys here, or wider."""
    asked, true = strips.call(mask, "sink", dtype, None)
    check(ROW, asked, true)
    assert asked.sink is not None
    wide = replace(asked, value=torch.cat((asked.value.detach(),) * 3, -1).requires_grad_())
    check(ROW, wide, truth(wide))


@pytest.mark.parametrize("logit", [-1e4, 50.0, 1e4])
def test_sinks_of_every_size(logit: float) -> None:
    sink = torch.full((HEADS,), logit, dtype=torch.float64).requires_grad_()
    asked = request(*strips.inputs(torch.float64), mask=Causal(), bias=SinkLogits(sink))
    check(ROW, asked, truth(asked))


# --- what is not finite


def spoilt(tensor: Tensor, keys: range, what: float) -> Tensor:
    return tensor.detach().index_fill(2, torch.arange(keys.start, keys.stop), what).requires_grad_()


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    ("mask", "keys"),
    [
        (Padding(torch.tensor([40, 21])), range(40, 47)),
        (Window(3, 0), range(14)),  # the first query is on key 18
        (Causal() & ~(Window(30, 0) & Prefix(9)), range(36, 37)),
        (Dense(torch.arange(KEYS).expand(QUERIES, KEYS) % 7 > 0), range(7, 8)),
    ],
    ids=repr,
)
def test_what_nobody_sees_leaves_no_trace(mask: Mask, keys: range, what: float) -> None:
    """Output and gradients are those of the clean call, save for queries that see a spoilt key."""
    q, k, v = strips.inputs(torch.float64)
    asked = request(q, spoilt(k, keys, what), spoilt(v, keys, what), mask=mask)
    place = asked.place
    reached = mask.dense(place).expand(BATCH, HEADS, QUERIES, KEYS)[..., keys.start : keys.stop].any(-1)
    output, _ = ROW.run(asked)
    assert torch.equal(output.isnan().all(-1), reached)
    clean = request(q, k, v, mask=mask)
    true = truth(clean)
    hold("output", output[~reached], true.output[~reached], noise_of(ROW, clean, true.largest_score))
    weights = torch.where(reached[..., None], 0.0, true.upstream[0])
    got = torch.autograd.grad((output.nan_to_num() * weights).sum(), (asked.query, asked.key, asked.value))
    want = torch.autograd.grad((ROW.run(clean)[0] * weights).sum(), (q, k, v))
    for index, (one, other) in enumerate(zip(got, want, strict=True)):
        assert torch.isfinite(one).all(), index
        outside = [key for key in range(KEYS) if key not in keys]
        sound = (one, other) if index == 0 else (one[:, :, outside], other[:, :, outside])
        if not reached.any():
            torch.testing.assert_close(*sound)
            assert index == 0 or not one[:, :, keys.start : keys.stop].any()


def test_a_broken_query_is_alone() -> None:
    """NaN where it sees a key; 0 where it sees none."""
    q, k, v = (t.detach() for t in strips.inputs(torch.float32))
    q[0, 1, 5, 2] = torch.nan
    for mask, lost in ((Causal(), True), (None, True), (Causal() & ~Prefix(99), False)):
        output, _ = ROW.run(request(q, k, v, mask=mask))
        want = torch.zeros(BATCH, HEADS, QUERIES, dtype=torch.bool)
        want[0, 1, 5] = lost
        assert torch.equal(output.isnan().any(-1), want)
        assert torch.equal(output.isnan().all(-1), want)


def test_one_broken_number_of_a_value_spoils_one_number() -> None:
    q, k, v = (t.detach() for t in strips.inputs(torch.float32))
    v[1, 0, 20, 1] = torch.nan  # key head 0: query heads 0 and 1; the third query is on key 20
    output, _ = ROW.run(request(q, k, v, mask=Causal()))
    want = torch.zeros(output.shape, dtype=torch.bool)
    want[1, :2, 2:, 1] = True
    assert torch.equal(output.isnan(), want)


def test_finite_numbers_whose_sum_is_not() -> None:
    """Sums tell what is finite; these overflow although every number is sound."""
    q, k, v = (t.detach() for t in strips.inputs(torch.float32))
    v[:] = 3e38
    output, _ = ROW.run(request(q, k, v, mask=Window(0, 0)))
    torch.testing.assert_close(output, torch.full_like(output, 3e38))


# --- what it refuses


def hold_refused(asked: Request, why: str) -> None:
    assert reasons(ROW, asked) == (why,)
    with pytest.raises(KernelError, match="kernel='blocks' cannot do this"):
        regard.attend(asked.query, asked.key, asked.value, kernel="blocks")
    assert regard.plan(asked.query, asked.key, asked.value).kernel != "blocks"


def test_without_torchs_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "FLASH", None)
    hold_refused(ask(None), "needs torch's own CPU operation, which this torch does not show as expected")


def test_where_torchs_operation_takes_no_grouped_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "TAKES_GROUPS", False)
    assert reasons(ROW, ask(None)) == ()
    hold_refused(strips.asked(), "this torch takes no grouped heads as they are")
