"""How much of the square is left: without a mask for each batch item, what the items' own strips add up to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies
from tests.strips import small_strips

from regard.kernels import blocks, layout
from regard.spec import ALiBi, Causal, Mask, Padding, Prefix, Request, Sinks, Window, request


def counted(asked: Request, height: int, width: int) -> layout.Work:
    """From the strips of every item by itself."""
    cells, strips, tiles = 0.0, 0, 0
    for part in layout.items(asked):
        lanes = part.place.batch * part.place.heads
        for strip in layout.strips(part, height):
            cells += lanes * len(strip.rows) * strip.keys
            tiles += lanes * len(strip.runs(width))
            strips += 1
    return layout.Work(cells, strips, tiles // asked.groups)


@st.composite
def padded(draw: strategies.Draw) -> Request:
    """Padding of keys, and of queries, under masks that all items share, over lengths of 0 to 40."""
    at = draw(strategies.sizes(torch.float32, longest=40))
    keys, queries = (st.lists(st.integers(0, n), min_size=at.batch, max_size=at.batch) for n in (at.keys, at.queries))
    mask: Mask = Padding(torch.tensor(draw(keys), dtype=torch.int64))
    if draw(st.booleans()):
        mask = Padding(mask.key_lengths, torch.tensor(draw(queries), dtype=torch.int64))
    for other in draw(st.lists(st.sampled_from([Causal(), Window(3, 2), Sinks(4), Prefix(9)]), max_size=2)):
        mask = mask & other if draw(st.booleans()) else other & mask
    query, key = (torch.zeros(at.batch, h, n, 1) for h, n in ((at.heads, at.queries), (at.kv_heads, at.keys)))
    return request(query, key, key, mask=mask, query_start=at.start)


@settings(max_examples=300)
@given(asked=padded(), grain=st.sampled_from([1, 4]), height=st.sampled_from([1, 4, 64]), width=st.integers(1, 50))
def test_of_padded_batches(asked: Request, grain: int, height: int, width: int) -> None:
    with small_strips(height, grain):
        assert layout.work(asked, height, width) == counted(asked, height, width)


def ask(mask: Mask, batch: int = 3, length: int = 10) -> Request:
    x = torch.zeros(1).expand(batch, 2, length, 1)
    return request(x, x, x, mask=mask)


def test_by_hand() -> None:
    """10 queries of 2 heads see 3, 5 and 10 keys; under a causal mask the first 3, 5 and 10 of a triangle's strips."""
    lengths = torch.tensor([3, 5, 10])
    assert layout.work(ask(Padding(lengths)), 32, 512) == layout.Work(2 * 10 * 18, 3, 6)
    assert layout.work(ask(Padding(lengths, torch.tensor([0, 10, 10]))), 32, 512) == layout.Work(2 * 10 * 15, 3, 4)
    with small_strips(5, 1):
        # strips of 5 queries see up to 5 and up to 10 keys
        left = layout.work(ask(Causal() & Padding(lengths)), 5, 512)
    assert left.cells == 2 * 5 * (3 + 3 + 5 + 5 + 5 + 10)


def test_no_mask_is_made_for_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(self: Padding, batch: int) -> Mask:
        raise AssertionError(f"item {batch}")

    monkeypatch.setattr(Padding, "item", made)
    lengths = torch.arange(1, 65)
    for mask in (Padding(lengths), Padding(lengths, lengths), Causal() & (Padding(lengths) & Window(9, 0))):
        assert layout.work(ask(mask, 64, 64), 32, 512).cells > 0
    with pytest.raises(AssertionError, match="item 0"):  # a mask with gaps is asked item by item
        layout.work(ask(Padding(lengths) & (Window(1, 0) | Sinks(1)), 64, 64), 32, 512)


def test_lengths_of_another_device_or_width_are_the_same_work() -> None:
    mask = Padding(torch.tensor([3, 5, 10], dtype=torch.int32))
    asked = ask(mask)
    assert layout.work(asked, 8, 8) == layout.work(replace(asked, mask=Padding(mask.key_lengths.long())), 8, 8)


def test_padding_alone_makes_one_strip_an_item() -> None:
    lengths = torch.tensor([300, 700, 1000])
    asked = ask(Padding(lengths), length=1000)
    assert blocks.height(asked) == 1000
    assert layout.work(asked, blocks.height(asked), 512).strips == 3
    # a strip in which padding queries begin has its mask laid out, and a bias is laid out everywhere: no square of it
    assert blocks.height(ask(Padding(lengths, lengths), length=1000)) == blocks.HIGHEST
    assert blocks.height(replace(asked, biases=(ALiBi(torch.ones(2)),))) <= blocks.HIGHEST
    assert blocks.height(ask(Padding(lengths) & Causal(), length=1000)) <= blocks.HIGHEST
