"""What kernels plan by: hull, cuts, item, relative and lasting of any mask, held against the mask's own entries."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies
from torch import Tensor

from regard.spec import (
    Block,
    Causal,
    Dense,
    Dilated,
    Documents,
    Grid2D,
    Mask,
    Padding,
    Place,
    Prefix,
    Sinks,
    Window,
)

CPU = torch.device("cpu")


def place(queries: int = 4, keys: int = 9, start: int = 3, batch: int = 1, heads: int = 1) -> Place:
    return Place(batch, heads, queries, keys, start, CPU)


def whole(mask: Mask, at: Place) -> Tensor:
    """(batch, heads, query_len, key_len) bool, every entry."""
    return mask.dense(at).expand(at.batch, at.heads, at.query_len, at.key_len)


@st.composite
def laid(draw: strategies.Draw) -> tuple[Mask, Place]:
    """Any mask of up to four parts over any place, also of length 0."""
    at = draw(strategies.sizes(torch.float32))
    mask = strategies.mask(draw, at)
    return (Causal() if mask is None else mask), Place(at.batch, at.heads, at.queries, at.keys, at.first, CPU)


@settings(max_examples=300)
@given(made=laid(), data=st.data())
def test_nothing_is_allowed_outside_the_hull(made: tuple[Mask, Place], data: st.DataObject) -> None:
    mask, at = made
    first = data.draw(st.integers(0, at.query_len))
    rows = range(first, data.draw(st.integers(first, at.query_len)))
    if not rows:
        return
    hull = mask.hull(rows, at)
    assert 0 <= hull.start <= hull.stop <= at.key_len
    assert hull.step == 1
    allowed = whole(mask, at)[:, :, rows.start : rows.stop].clone()
    allowed[..., hull.start : hull.stop] = False
    assert not allowed.any()


@settings(max_examples=200)
@given(made=laid())
def test_an_item_is_the_masks_part_of_that_item(made: tuple[Mask, Place]) -> None:
    mask, at = made
    full = whole(mask, at)
    for batch in range(at.batch):
        own = mask.item(batch)
        assert own.extent()[0] == 1
        assert torch.equal(whole(own, place(at.query_len, at.key_len, at.query_start, 1, at.heads))[0], full[batch])


@settings(max_examples=200)
@given(made=laid())
def test_only_the_extent_tells_items_and_heads_apart(made: tuple[Mask, Place]) -> None:
    mask, at = made
    full, (batches, heads) = whole(mask, at), mask.extent()
    assert batches in (1, at.batch)
    assert heads in (1, at.heads)
    if full.numel():
        assert batches > 1 or torch.equal(full, full[:1].expand(full.shape))
        assert heads > 1 or torch.equal(full, full[:, :1].expand(full.shape))


@settings(max_examples=200)
@given(made=laid())
def test_along_a_diagonal_a_relative_mask_is_the_same(made: tuple[Mask, Place]) -> None:
    mask, at = made
    if not mask.relative:
        return
    assert mask.extent() == (1, 1)
    full = whole(mask, at)
    assert torch.equal(full[..., 1:, 1:], full[..., :-1, :-1])
    for rows, cols in ((range(2), range(1, 3)), (range(1, 2), range(4))):
        if rows.stop < at.query_len and cols.stop < at.key_len:
            below = range(rows.start + 1, rows.stop + 1), range(cols.start + 1, cols.stop + 1)
            assert torch.equal(mask.tile(rows, cols, at), mask.tile(*below, at))


@settings(max_examples=200)
@given(made=laid())
def test_cuts_lie_within_the_queries_in_order(made: tuple[Mask, Place]) -> None:
    mask, at = made
    cuts = mask.cuts(at)
    assert list(cuts) == sorted(set(cuts))
    assert all(0 <= cut <= at.query_len for cut in cuts)


MANY = torch.zeros(2, 4, dtype=torch.int64)
KINDS: dict[str, tuple[Mask, bool]] = {
    "causal": (Causal(), True),
    "window": (Window(2, 1), True),
    "dilated": (Dilated(2, 3, 1), True),
    "sinks": (Sinks(1), False),
    "prefix": (Prefix(2), False),
    "grid": (Grid2D(3, 3, 1), False),
    "padding": (Padding(torch.tensor([3])), False),
    "documents": (Documents(MANY[0]), False),
    "dense": (Dense(torch.eye(4, dtype=torch.bool)), False),
}


@pytest.mark.parametrize("name", KINDS)
def test_which_masks_are_relative(name: str) -> None:
    mask, relative = KINDS[name]
    assert mask.relative is relative
    assert (~mask).relative is relative
    for other, too in KINDS.values():
        assert (mask & other).relative is (relative and too)
        assert (mask | other).relative is (relative and too)


@pytest.mark.parametrize(
    ("mask", "rows", "want"),
    [  # queries 0 to 3 stand at positions 3 to 6 of 9 keys
        (Causal(), range(1, 3), range(6)),
        (Causal(), range(4), range(7)),
        (Window(2, 1), range(1, 3), range(2, 7)),
        (Window(99, 99), range(1, 3), range(9)),
        (Window(0, 0), range(3, 4), range(6, 7)),
        (Sinks(2), range(1, 3), range(2)),
        (Sinks(99), range(1, 3), range(6)),
        (Sinks(0), range(1, 3), range(0)),
        (Prefix(5), range(1, 3), range(5)),
        (Prefix(99), range(1, 3), range(9)),
        (Prefix(0), range(1, 3), range(0)),
        (Dilated(2, 3, 1), range(1, 3), range(1, 7)),
        (Grid2D(3, 3, 1), range(2), range(9)),  # positions 3 and 4 are in the middle row
        (Grid2D(3, 3, 0), range(2), range(3, 6)),
        (Padding(torch.tensor([2, 5, 0])), range(1, 3), range(5)),
        (Documents(torch.tensor([7, 1, 1, 4]), torch.tensor([1, 7, 1, 4, 4, 1, 7, 7, 0])), range(1, 3), range(6)),
        (Documents(torch.tensor([7, 1, 1, 4]), torch.tensor([1, 7, 1, 4, 4, 1, 7, 7, 0])), range(1), range(1, 8)),
        (Documents(torch.tensor([7, 1, 1, 4]), torch.tensor([0] * 9)), range(4), range(0)),
        (Documents(MANY, torch.zeros(9, dtype=torch.int64)), range(1, 3), range(9)),  # items apart: nothing is known
        (Causal() & Window(2, 1), range(1, 3), range(2, 6)),
        (Causal() & ~Window(2, 1), range(1, 3), range(6)),
        (Sinks(1) | Window(0, 0), range(1, 3), range(6)),
        (Prefix(0) | Window(0, 0), range(1, 3), range(4, 6)),
        (Window(0, 0) | Prefix(0), range(1, 3), range(4, 6)),
        (Prefix(2) & Window(0, 0), range(1, 3), range(4, 4)),
        (~Prefix(5), range(1, 3), range(9)),
    ],
    ids=repr,
)
def test_hulls_by_hand(mask: Mask, rows: range, want: range) -> None:
    assert mask.hull(rows, place()) == want


@pytest.mark.parametrize("start", [-9, -2, 0, 20])
@pytest.mark.parametrize("mask", [Causal(), Window(2, 1), Sinks(3), Dilated(1, 2, 2)], ids=repr)
def test_hulls_are_tight_before_within_and_beyond_the_keys(mask: Mask, start: int) -> None:
    at = place(start=start)
    allowed = whole(mask, at)[0, 0, 1:3].any(0).nonzero()[:, 0].tolist()
    hull = mask.hull(range(1, 3), at)
    assert len(hull) == (allowed[-1] - allowed[0] + 1 if allowed else 0)


def test_cuts_by_hand() -> None:
    assert Causal().cuts(place()) == ()
    assert Documents(torch.tensor([5, 5, -1, 5])).cuts(place()) == (2, 3)
    assert Documents(MANY).cuts(place()) == ()
    assert Padding(torch.tensor([3, 3])).cuts(place()) == ()
    assert Padding(torch.tensor([3, 3, 3]), torch.tensor([4, 1, 4])).cuts(place()) == (1, 4)
    both = Documents(torch.tensor([5, 5, -1, 5])) & Padding(torch.tensor([3]), torch.tensor([2]))
    assert both.cuts(place()) == (2, 3)
    assert (~both | Causal()).cuts(place()) == (2, 3)


# --- documents: ids in any order, repeated, negative, for each item or for all


@st.composite
def documents(draw: strategies.Draw) -> tuple[Documents, list[list[int]], list[list[int]]]:
    """The mask, and its query and key ids as (batch or 1) lists."""
    id_ = st.integers(-2, 2) | st.sampled_from([-(2**31), 2**31 - 1])
    dtype = draw(st.sampled_from([torch.int64, torch.int32]))

    def drawn(length: int) -> tuple[list[list[int]], Tensor]:
        many = draw(st.sampled_from([0, 1, 3]))  # 0: without an axis for the batch
        one = st.lists(id_, min_size=length, max_size=length)
        ids = [draw(one | one.map(sorted)) for _ in range(max(1, many))]
        return ids, torch.tensor(ids if many else ids[0], dtype=dtype)

    length = draw(st.integers(1, 9))
    queries, given_queries = drawn(length)
    if draw(st.booleans()):
        return Documents(given_queries), queries, queries
    keys, given_keys = drawn(draw(st.integers(1, 9)))
    return Documents(given_queries, given_keys), queries, keys


@settings(max_examples=300)
@given(made=documents(), data=st.data())
def test_documents_of_any_ids(made: tuple[Documents, list[list[int]], list[list[int]]], data: st.DataObject) -> None:
    mask, queries, keys = made
    at = place(len(queries[0]), len(keys[0]), 0, batch=3)
    pairs = [(queries[b % len(queries)], keys[b % len(keys)]) for b in range(3)]
    allowed = torch.tensor([[[[q == k for k in ids] for q in own]] for own, ids in pairs])
    assert torch.equal(whole(mask, at), allowed)
    for batch in range(3):
        assert torch.equal(whole(mask.item(batch), place(at.query_len, at.key_len, 0))[0], allowed[batch])
    first, left = data.draw(st.integers(0, at.query_len - 1)), data.draw(st.integers(0, at.key_len - 1))
    rows = range(first, data.draw(st.integers(first + 1, at.query_len)))
    cols = range(left, data.draw(st.integers(left + 1, at.key_len)))
    shown = allowed[:, :, rows.start : rows.stop, cols.start : cols.stop]
    answer = mask.block(rows, cols, at)
    assert answer is Block.MIXED or bool(shown.all() if answer is Block.ALL else not shown.any())
    seen = allowed[:, :, rows.start : rows.stop].flatten(0, 2).any(0).nonzero()[:, 0].tolist()
    hull = mask.hull(rows, at)
    assert all(key in hull for key in seen)
    if mask.extent()[0] == 1:
        assert list(mask.cuts(at)) == [i for i in range(1, at.query_len) if queries[0][i] != queries[0][i - 1]]
        assert not (seen or hull) or (hull.start, hull.stop - 1) <= (seen[0], seen[-1])


def test_documents_in_ascending_order_answer_without_looking_at_every_id() -> None:
    """`_ends` reads four numbers; what it says must be what the whole block says, also across a boundary."""
    rising, mixed = torch.tensor([-3, -3, 0, 0, 0, 8]), torch.tensor([0, -3, 0, 8, -3, 0])
    at = place(6, 6, 0)
    assert Documents(rising)._ends(range(1, 4), range(4, 6)) == (-3, 0, 0, 8)
    assert Documents(rising, mixed)._ends(range(1, 4), range(4, 6)) is None
    assert Documents(mixed, rising)._ends(range(1, 4), range(4, 6)) is None
    assert Documents(torch.stack((rising, rising)))._ends(range(1, 4), range(4, 6)) is None
    assert Documents(rising).block(range(2), range(2), at) is Block.ALL
    assert Documents(rising).block(range(2), range(2, 6), at) is Block.NONE
    assert Documents(rising).block(range(2), range(3), at) is Block.MIXED
    assert Documents(mixed, rising).block(range(1, 2), range(2), at) is Block.ALL


# --- whose tensors a mask holds


def test_documents_keep_their_own_copy_of_the_ids() -> None:
    queries, keys = torch.tensor([0, 0, 1, 1]), torch.tensor([0] * 5 + [1] * 4)
    mask, before = Documents(queries, keys), Documents(queries.clone(), keys.clone())
    queries.fill_(1)
    keys.fill_(0)
    assert mask == before
    assert mask.hull(range(2), place()) == range(5)
    assert torch.equal(mask.dense(place()), before.dense(place()))


def test_a_small_dense_mask_is_copied_and_a_large_one_is_not() -> None:
    small = torch.ones(4, 9, dtype=torch.bool)
    mask = Dense(small)
    small.fill_(False)
    assert mask.lasting
    assert bool(mask.dense(place()).all())
    large = torch.ones(1, 2**16 + 1, dtype=torch.bool)
    held = Dense(large)
    assert not held.lasting
    assert held.allowed is large
    assert Dense(large[:, 1:]).lasting
    at = place(1, 2**16 + 1)
    assert held.block(range(1), range(3), at) is Block.ALL
    large[0, 1] = False
    assert held.block(range(1), range(3), at) is Block.MIXED


def test_one_part_that_may_change_is_enough_for_the_whole() -> None:
    large = Dense(torch.ones(1, 2**16 + 1, dtype=torch.bool))
    for mask in (large & Causal(), Causal() & large, large | Causal(), Causal() | large, ~large, ~(Causal() & ~large)):
        assert not mask.lasting
    for mask, _ in KINDS.values():
        assert (~mask & Causal() | mask).lasting
