"""Strips: every query once, every allowed key within a span, and of the rest as much left out as the mask says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies, strips
from tests.strips import BATCH, HEADS, KEYS, KV_HEADS, QUERIES, small_strips
from torch import Tensor

from regard.kernels import layout
from regard.kernels.layout import Span, Strip
from regard.kernels.table import row
from regard.spec import (
    ALiBi,
    Block,
    Causal,
    Dense,
    Documents,
    Mask,
    Padding,
    Prefix,
    Request,
    ScaledDot,
    Window,
    request,
)


@pytest.fixture
def _small() -> Iterator[None]:
    with small_strips():
        yield


def ask(
    mask: Mask | None, queries: int = QUERIES, keys: int = KEYS, *, batch: int = 1, groups: int = 1, **more: object
) -> Request:
    """Sizes and a mask, over one number each."""
    query, key = (torch.zeros(1).expand(batch, heads, n, 1) for heads, n in ((groups, queries), (1, keys)))
    return request(query, key, key, mask=mask, **more)  # type: ignore[arg-type]


def seen(asked: Request) -> Tensor:
    """(batch, heads, query_len, key_len)"""
    at = asked.place
    shape = (at.batch, at.heads, at.query_len, at.key_len)
    return torch.ones(shape, dtype=torch.bool) if asked.mask is None else asked.mask.dense(at).expand(shape)


def hold_spans(found: tuple[Span, ...] | list[Span], shown: Tensor) -> Tensor:
    """Spans of keys against `shown` (batch, heads, rows, keys); gives (keys,) True where a span lies."""
    covered = torch.zeros(shown.shape[3], dtype=torch.bool)
    for (one, _), (other, _) in itertools.pairwise(found):
        assert one.stop <= other.start
    for cols, answer in found:
        assert 0 <= cols.start < cols.stop <= shown.shape[3]
        assert answer in (Block.ALL, Block.MIXED)
        assert answer is Block.MIXED or bool(shown[..., cols.start : cols.stop].all())
        covered[cols.start : cols.stop] = True
    assert not shown[..., ~covered].any()
    return covered


def hold_strips(asked: Request, height: int = 8) -> None:
    shown, found = seen(asked), layout.strips(asked, height)
    assert [i for strip in found for i in strip.rows] == list(range(asked.place.query_len))
    for strip in found:
        assert 0 < len(strip.rows) <= max(height, layout.RUNG)
        own = shown[:, :, strip.rows.start : strip.rows.stop]
        covered = hold_spans(strip.spans, own)
        assert strip.keys == int(covered.sum())
        for (one, left), (other, right) in itertools.pairwise(strip.spans):
            assert one.stop < other.start or left is not right  # neighbours of one answer are one span
        for width in (1, 5, 100):
            runs = strip.runs(width)
            assert torch.equal(hold_spans(runs, own), covered)
            assert all(len(cols) < 2 * width + layout.GRAIN for cols, _ in runs)
        parts = layout.touching(strip.spans)
        assert [span for _, spans in parts for span in spans] == list(strip.spans)
        assert all(one.stop < other.start for (one, _), (other, _) in itertools.pairwise(parts))
        assert all((whole.start, whole.stop) == (s[0][0].start, s[-1][0].stop) for whole, s in parts)


@st.composite
def calls(draw: strategies.Draw) -> Request:
    """Any mask over lengths of 0 to 40, anywhere, with grouped heads."""
    at = draw(strategies.sizes(torch.float32, longest=40))
    mask = strategies.mask(draw, at)
    query, key = (torch.zeros(at.batch, h, n, 1) for h, n in ((at.heads, at.queries), (at.kv_heads, at.keys)))
    return request(query, key, key, mask=mask, query_start=at.start)


@settings(max_examples=200)
@given(asked=calls(), grain=st.sampled_from([1, 4, 7]), height=st.sampled_from([1, 8, 64]))
def test_any_mask_anywhere(asked: Request, grain: int, height: int) -> None:
    with small_strips(height, grain):
        hold_strips(asked, height)
        for part in layout.items(asked):
            hold_strips(part, height)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("start", strips.STARTS)
@pytest.mark.parametrize("mask", strips.masks())
def test_every_mask_of_the_suite(mask: str, start: int | None) -> None:
    asked = strips.asked(mask, start=start)
    hold_strips(asked)
    assert len(layout.strips(asked, 8)) > 1


@pytest.mark.parametrize("mask", [None, Causal(), Window(300, 0), Documents.packed([200, 400, 331])], ids=repr)
def test_at_full_size(mask: Mask | None) -> None:
    hold_strips(ask(mask, 931, 931), 256)


# --- shapes of strips, by hand


@pytest.mark.usefixtures("_small")
def test_a_window_of_4_over_16_keys() -> None:
    """Of the keys, those that any query of a strip sees; in blocks of 4 from the first of them."""
    mixed = Block.MIXED
    assert layout.strips(ask(Window(3, 0), 16, 16), 4) == (
        Strip(range(4), ((range(4), mixed),)),
        Strip(range(4, 8), ((range(1, 8), mixed),)),
        Strip(range(8, 12), ((range(5, 12), mixed),)),
        Strip(range(12, 16), ((range(9, 16), mixed),)),
    )


@pytest.mark.usefixtures("_small")
def test_causal_is_all_but_for_the_diagonal() -> None:
    assert layout.strips(ask(Causal(), 16, 16), 8) == (
        Strip(range(8), ((range(8), Block.MIXED),)),
        Strip(range(8, 16), ((range(8), Block.ALL), (range(8, 16), Block.MIXED))),
    )


@pytest.mark.usefixtures("_small")
def test_no_mask_is_all() -> None:
    assert layout.strips(ask(None, 15, 5), 8) == (
        Strip(range(8), ((range(5), Block.ALL),)),
        Strip(range(8, 15), ((range(5), Block.ALL),)),
    )
    assert layout.strips(ask(None, 15, 0), 8) == (Strip(range(8), ()), Strip(range(8, 15), ()))
    assert layout.strips(ask(None, 0, 5), 8) == ()
    assert len(layout.strips(ask(None, 17, 5), 0)) == 17  # a strip has one query at least


@pytest.mark.usefixtures("_small")
def test_documents_are_computed_apart_and_short_ones_together() -> None:
    """Of 6, 1, 2 and 7 tokens in strips of 4; one shorter than 4 goes with what follows."""
    found = layout.strips(ask(Documents.packed([6, 1, 2, 7]), 16, 16), 4)
    assert found[:2] == (
        Strip(range(3), ((range(6), Block.ALL),)),
        Strip(range(3, 6), ((range(6), Block.ALL),)),
    )
    assert [strip.rows for strip in found[2:]] == [range(6, 10), range(10, 14), range(14, 16)]
    assert all(strip.spans[0][0].start >= 6 for strip in found[2:])


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(
    ("mask", "most"),
    [
        (None, 64),
        (Causal(), 56),  # the last that is asked about, of 8 evenly spread, is query 56: keys 0 to 56, by 4
        (Window(7, 0), 8),
        (Prefix(5), 5),
        (Prefix(0), 0),
        (Documents.packed([20, 30, 14]), 30),
        (Dense(torch.ones(64, 64, dtype=torch.bool)), 64),
        (Dense(torch.zeros(300, 300, dtype=torch.bool)), 300),  # too large to be looked into
    ],
    ids=repr,
)
def test_how_many_keys_a_query_sees_about(mask: Mask | None, most: int) -> None:
    length = 300 if isinstance(mask, Dense) and not mask.lasting else 64
    assert most <= layout.reach(ask(mask, length, length)) <= most + 4
    assert layout.reach(ask(mask, 0, 0)) == 0 if not isinstance(mask, (Dense, Documents)) else True


@pytest.mark.usefixtures("_small")
def test_runs_of_neighbours_are_put_together() -> None:
    spans = ((range(4), Block.ALL), (range(4, 12), Block.MIXED), (range(20, 24), Block.ALL))
    strip = Strip(range(3), spans)
    assert strip.keys == 16
    all_, mixed = Block.ALL, Block.MIXED
    assert strip.runs(4) == [(range(4), all_), (range(4, 8), mixed), (range(8, 12), mixed), (range(20, 24), all_)]
    # a run is a multiple of the grain, the last of its neighbours excepted
    assert strip.runs(6) == [(range(8), mixed), (range(8, 12), mixed), (range(20, 24), all_)]
    assert strip.runs(99) == [(range(12), mixed), (range(20, 24), all_)]
    assert layout.touching(spans) == [(range(12), list(spans[:2])), (range(20, 24), [spans[2]])]
    assert layout.touching(()) == []
    assert Strip(range(3), ()).runs(4) == []


# --- one item after the other


@pytest.mark.parametrize(
    "mask",
    [
        Padding(torch.tensor([3, 5])),
        Documents(torch.zeros(2, 4, dtype=torch.int64), torch.ones(5, dtype=torch.int64)),
        Dense(torch.rand(2, 1, 4, 5) > 0.5) & Causal(),
    ],
    ids=repr,
)
def test_items_that_a_mask_tells_apart_are_computed_apart(mask: Mask) -> None:
    query, key, value = (torch.randn(2, heads, n, 3) for heads, n in ((4, 4), (2, 5), (2, 5)))
    asked = request(query, key, value, mask=mask, bias=torch.zeros(1, 1, 4, 5))
    parts = layout.items(asked)
    assert len(parts) == 2
    whole = seen(asked)
    for number, part in enumerate(parts):
        assert part.place.batch == 1
        for mine, all_ in ((part.query, query), (part.key, key), (part.value, value)):
            assert torch.equal(mine, all_[number : number + 1])
            assert mine.data_ptr() == all_[number].data_ptr()  # a view
        assert torch.equal(seen(part)[0], whole[number])
    other = query + 1
    assert [[t.data_ptr() for t in own] for _, own in layout.by_item(asked, (other, key))] == [
        [other[0].data_ptr(), key[0].data_ptr()],
        [other[1].data_ptr(), key[1].data_ptr()],
    ]


def test_items_that_are_alike_or_that_a_bias_tells_apart_stay_together() -> None:
    both, each = Padding(torch.tensor([3, 5])), torch.zeros(2, 1, 4, 5)
    alone = ask(both, 4, 5, batch=2)
    assert len(layout.items(alone)) == 2
    for asked in (
        ask(Causal(), 4, 5, batch=2),
        ask(None, 4, 5, batch=2),
        ask(Dense(torch.ones(1, 1, 4, 5, dtype=torch.bool)), 4, 5, batch=2),
        ask(Padding(torch.tensor([3])), 4, 5),
        ask(Padding(torch.zeros(0, dtype=torch.int64)), 4, 5, batch=0),
        ask(both, 4, 5, batch=2, bias=each),
        ask(both, 4, 5, batch=2, bias=(ALiBi(torch.ones(1)), each)),
    ):
        assert layout.items(asked) == [asked]
        assert [own for _, own in layout.by_item(asked, (asked.query,))] == [[asked.query]]
    assert len(layout.items(ask(both, 4, 5, batch=2, bias=(ALiBi(torch.ones(1)), each[:1], each[0, 0])))) == 2


# --- how much work is left


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("width", [3, 6, 50])
@pytest.mark.parametrize("bias", ["no bias", "items apart"])
@pytest.mark.parametrize("mask", strips.masks())
def test_work_counts_what_strips_say(mask: str, bias: str, width: int) -> None:
    asked = strips.asked(mask, bias)
    cells = count = tiles = 0
    for part in layout.items(asked):
        for strip in layout.strips(part, 8):
            for cols, _ in strip.runs(width):
                tiles += part.place.batch * KV_HEADS
                cells += part.place.batch * HEADS * len(strip.rows) * len(cols)
            count += 1
    assert layout.work(asked, 8, width) == layout.Work(float(cells), count, tiles)
    assert int(seen(asked).sum()) <= cells <= BATCH * HEADS * QUERIES * KEYS


@pytest.mark.usefixtures("_small")
def test_work_by_hand() -> None:
    """16 queries of 2 heads, which share a key head, in strips of 8: 8 x 8 and 8 x 16 keys of each head under a
    causal mask, in tiles of 8."""
    assert layout.work(ask(Causal(), 16, 16, groups=2), 8, 8) == layout.Work(2 * (64 + 128), 2, 3)
    assert layout.work(ask(None, 16, 16, groups=2), 8, 8) == layout.Work(512, 2, 4)
    assert layout.work(ask(Prefix(0), 16, 16, groups=2), 8, 8).cells == 0
    # lengths of 8 and 4: a lane each, apart
    padded = ask(Padding(torch.tensor([8, 4])), 16, 16, batch=2)
    assert layout.work(padded, 8, 8).cells == 16 * (8 + 4)


def test_a_large_tensor_counts_as_a_mask_that_leaves_all() -> None:
    nothing = Dense(torch.zeros(300, 300, dtype=torch.bool))
    assert not nothing.lasting
    assert layout.work(ask(nothing, 300, 300), 50, 50) == layout.work(ask(None, 300, 300), 50, 50)
    assert layout.work(ask(nothing & Causal(), 300, 300), 50, 50).cells == 300 * 300


# --- what is kept


def test_strips_of_equal_calls_are_found_once() -> None:
    ids = torch.zeros(29, dtype=torch.int64)
    first = layout.strips(ask(Window(3, 0)), 8)
    assert layout.strips(ask(Window(3, 0)), 8) is first
    assert layout.strips(ask(Documents(ids, torch.arange(47))), 8) is layout.strips(
        ask(Documents(ids.clone(), torch.arange(47))), 8
    )
    assert layout.strips(ask(Window(3, 0)), 7) is not first
    for other in (ask(Window(4, 0)), ask(Window(3, 0), query_start=0), ask(Window(3, 0), 28), ask(~Window(3, 0))):
        assert layout.strips(other, 8) is not first
        hold_strips(other)


def test_masks_of_one_shape_are_told_apart() -> None:
    """Equal hashes: documents and small tensors hash by shape alone."""
    with small_strips():
        for mask in (
            *(Documents(strips.ints(3, QUERIES) + seed, strips.ints(5, KEYS)) for seed in range(3)),
            *(Dense(torch.rand(QUERIES, KEYS) > 0.9) for _ in range(3)),
            *(Padding(torch.tensor([n])) for n in (0, 12, 47)),
        ):
            hold_strips(ask(mask))


@pytest.mark.parametrize("kernel", ["blocks", "streaming"])
def test_a_large_tensor_may_change_between_calls(kernel: str) -> None:
    """Whatever was found out about it at the first call."""
    allow = torch.zeros(260, 260, dtype=torch.bool)
    mask = Dense(allow)
    assert not mask.lasting
    q = torch.zeros(1, 1, 260, 2)
    value = torch.arange(260.0).view(1, 1, 260, 1)
    for key in (3, 250, 17):
        allow.zero_()
        allow[:, key] = True
        asked = request(q, q, value, mask=mask)
        hold_strips(asked)
        assert torch.equal(row(kernel).run(asked)[0], torch.full((1, 1, 260, 1), float(key)))
    joined = request(q, q, value, mask=mask & ~Causal(), score=ScaledDot())
    assert torch.equal(row(kernel).run(joined)[0][0, 0, :, 0], torch.tensor([17.0] * 17 + [0.0] * 243))
    allow.zero_()
    assert not row(kernel).run(joined)[0].any()


@pytest.mark.parametrize("kernel", ["blocks", "streaming"])
def test_small_tensors_are_the_masks_own(kernel: str) -> None:
    allow, ids, lengths = torch.eye(9, dtype=torch.bool), torch.arange(9), torch.tensor([9])
    masks = Dense(allow), Documents(ids), Padding(lengths) & Dense(allow)
    q, value = torch.zeros(1, 1, 9, 2), torch.arange(9.0).view(1, 1, 9, 1)
    for _ in range(2):
        for mask in masks:
            assert torch.equal(row(kernel).run(request(q, q, value, mask=mask))[0], value)
        allow.fill_(True)
        ids.zero_()
        lengths.fill_(1)


def test_a_gradient_sees_the_mask_of_its_forward_pass() -> None:
    """A small tensor that changes between forward and backward pass changes nothing."""
    for kernel in ("blocks", "streaming"):
        allow = torch.eye(9, dtype=torch.bool)
        q = torch.randn(1, 1, 9, 2)
        value = torch.zeros(1, 1, 9, 1, requires_grad=True)
        output, _ = row(kernel).run(request(q, q, value, mask=allow))
        allow.fill_(True)
        (found,) = torch.autograd.grad(output, value, torch.arange(9.0).view(1, 1, 9, 1))
        torch.testing.assert_close(found, torch.arange(9.0).view(1, 1, 9, 1))
