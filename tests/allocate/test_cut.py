"""A part of a request gives that part of the whole's output, whatever the mask; nothing is copied."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.strategies import calls

from regard.allocate import cut
from regard.allocate.cut import at_heads, at_rows
from regard.kernels import dense
from regard.spec import Causal, Dense, Documents, Mask, Padding, Request, ScaledDot, SinkLogits, Window, request

BATCH, HEADS, KV, QUERIES, KEYS = 2, 4, 2, 7, 11


def asked(mask: Mask | None, *, start: int | None = None, sink: bool = False) -> Request:
    source = torch.Generator().manual_seed(3)
    q, k, v = (
        torch.randn(BATCH, heads, length, 5, generator=source, dtype=torch.float64)
        for heads, length in ((HEADS, QUERIES), (KV, KEYS), (KV, KEYS))
    )
    bias = SinkLogits(torch.arange(4.0, dtype=torch.float64)) if sink else None
    return request(q, k, v, mask=mask, query_start=start, bias=bias)


def per_head() -> Dense:
    return Dense(torch.rand(BATCH, HEADS, QUERIES, KEYS, generator=torch.Generator().manual_seed(5)) > 0.4)


MASKS: list[Mask | None] = [
    None,
    Causal(),
    Window(3, 0),
    Padding(torch.tensor([8, 11]), torch.tensor([5, 7])),
    Documents(torch.tensor([0, 0, 1, 1, 1, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2])),
    Dense(torch.ones(QUERIES, KEYS, dtype=torch.bool).tril(4)),
    per_head(),
    ~Window(2, 2) & (Causal() | per_head()),
]


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "none" if mask is None else mask.words())
@pytest.mark.parametrize("rows", [range(1), range(2, 5), range(6, 7), range(7)], ids=str)
def test_some_rows(mask: Mask | None, rows: range) -> None:
    for start in (None, 0):
        whole = asked(mask, start=start)
        part = at_rows(whole, rows)
        expected = dense.run(whole)[0][:, :, rows.start : rows.stop]
        torch.testing.assert_close(dense.run(part)[0], expected)


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "none" if mask is None else mask.words())
@pytest.mark.parametrize("heads", [range(1), range(1, 2), range(2)], ids=str)
def test_some_key_heads(mask: Mask | None, heads: range) -> None:
    whole = asked(mask, sink=True)
    part = at_heads(whole, heads)
    torch.testing.assert_close(dense.run(part)[0], dense.run(whole)[0][:, 2 * heads.start : 2 * heads.stop])
    assert part.key.data_ptr() == whole.key[:, heads.start].data_ptr()
    assert (part is whole) == (len(heads) == KV)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mask(data: st.DataObject) -> None:
    """Over the whole algebra of masks."""
    call = data.draw(calls(torch.float64)).asked()
    whole = replace(call, score=ScaledDot(), biases=())
    start = data.draw(st.integers(0, max(0, whole.place.query_len - 1)))
    rows = range(start, data.draw(st.integers(start, whole.place.query_len)))
    head = data.draw(st.integers(0, whole.key.shape[1] - 1))
    made = dense.run(at_heads(at_rows(whole, rows), range(head, head + 1)))[0]
    own = slice(head * whole.groups, (head + 1) * whole.groups)
    torch.testing.assert_close(made, dense.run(whole)[0][:, own, rows.start : rows.stop])


@pytest.mark.parametrize("mask", MASKS, ids=lambda mask: "none" if mask is None else mask.words())
def test_pairs_are_the_entries_that_a_mask_allows(mask: Mask | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut, "_TOGETHER", 3)
    made = asked(mask)
    whole = torch.ones(BATCH, HEADS, QUERIES, KEYS) if mask is None else mask.dense(made.place)
    assert cut.pairs(made) == pytest.approx(float(whole.expand(BATCH, HEADS, QUERIES, KEYS).sum()) / HEADS)


def test_keys_that_no_row_reaches_are_left_out() -> None:
    part = at_rows(asked(Causal(), start=2), range(1, 3))
    assert (part.place.key_len, part.place.query_start) == (5, 3)  # the queries at 3 and 4
    assert at_rows(asked(Window(1, 0), start=2), range(4, 5)).place.key_len == 2
    assert cut.reduced(asked(None)).place.key_len == KEYS


def test_the_comparison_can_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that keep the mask of the first ones are found out."""
    monkeypatch.setattr(cut, "_of_rows", lambda mask, rows, place: mask)
    whole = asked(Dense(torch.ones(QUERIES, KEYS, dtype=torch.bool).tril(4)))
    with pytest.raises(Exception, match=r"."):
        torch.testing.assert_close(dense.run(at_rows(whole, range(2, 5)))[0], dense.run(whole)[0][:, :, 2:5])
