"""Padding: lengths by hand, its own copy, blocks and hulls, what tells one from another, and every refusal."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from regard.spec import Block, Causal, MaskError, Padding, Place


def place(batch: int = 2, heads: int = 3, queries: int = 5, keys: int = 7, start: int = 2) -> Place:
    return Place(batch, heads, queries, keys, start, torch.device("cpu"))


def test_padding_of_keys_and_queries_by_hand() -> None:
    mask = Padding(torch.tensor([2, 0, 3]), torch.tensor([1, 2, 2]))
    assert mask.picture(2, 3) == "■■·\n···"
    assert mask.picture(2, 3, batch=1) == "···\n···"
    assert mask.picture(2, 3, batch=2) == "■■■\n■■■"
    assert mask.words() == "padding of keys and queries"
    assert Padding(torch.tensor([2])).words() == "padding"


def test_padding_counts_queries_by_index_not_by_position() -> None:
    mask = Padding(torch.tensor([7]), torch.tensor([2]))
    for start in (-4, 0, 90):
        assert mask.dense(place(batch=1, start=start))[0, 0].any(-1).tolist() == [True, True, False, False, False]


def test_padding_keeps_its_own_copy_of_the_lengths() -> None:
    lengths = torch.tensor([2, 7])
    mask = Padding(lengths)
    before = mask.dense(place())
    assert mask.block(range(5), range(2), place()) is Block.ALL
    lengths += 3  # as a decoding loop does with its cache
    assert torch.equal(mask.dense(place()), before)
    assert mask.block(range(5), range(2, 5), place()) is Block.MIXED
    assert mask == Padding(torch.tensor([2, 7]))


@pytest.mark.parametrize(
    "given", [[1, 2], 3, torch.tensor([1.0]), torch.tensor([[1]]), torch.tensor([1], dtype=torch.uint8)]
)
def test_padding_takes_whole_numbers_one_an_item(given: object) -> None:
    with pytest.raises(MaskError, match=r"Padding\(key_lengths=...\) takes a \(batch,\) int64 tensor of lengths, got"):
        Padding(given)  # type: ignore[arg-type]
    with pytest.raises(MaskError, match=r"Padding\(query_lengths=...\)"):
        Padding(torch.tensor([1]), given)  # type: ignore[arg-type]


def test_padding_lengths_must_fit() -> None:
    fits = torch.tensor([7, 0])
    Padding(fits, torch.tensor([5, 0])).check(place())
    with pytest.raises(MaskError, match=r"key_lengths\[1\] = 8, but there are 7 keys: lengths must lie in 0..7"):
        Padding(torch.tensor([7, 8])).check(place())
    with pytest.raises(MaskError, match=r"key_lengths\[0\] = -1"):
        Padding(torch.tensor([-1, 8])).check(place())
    with pytest.raises(MaskError, match=r"query_lengths\[0\] = 6, but there are 5 queries: lengths must lie in 0..5"):
        Padding(fits, torch.tensor([6, 1])).check(place())
    with pytest.raises(MaskError, match="key_lengths has 3 entries but the batch has 2: pass one length an item"):
        Padding(torch.tensor([1, 2, 3])).check(place())
    with pytest.raises(MaskError, match="query_lengths has 1 entries but the batch has 2"):
        Padding(fits, torch.tensor([1])).check(place())


def test_padding_of_an_empty_batch() -> None:
    empty = torch.zeros(0, dtype=torch.int64)
    assert Padding(empty, empty).dense(place(batch=0)).shape == (0, 1, 5, 7)


@st.composite
def lengths(draw: st.DrawFn) -> Padding:
    batch = draw(st.integers(1, 4))
    keys = torch.tensor(draw(st.lists(st.integers(0, 7), min_size=batch, max_size=batch)))
    queries = draw(st.none() | st.lists(st.integers(0, 5), min_size=batch, max_size=batch))
    return Padding(keys, None if queries is None else torch.tensor(queries))


@given(mask=lengths(), ends=st.tuples(*(st.integers(0, 7) for _ in range(4))))
def test_a_block_is_exactly_what_its_entries_are(mask: Padding, ends: tuple[int, ...]) -> None:
    at = place(batch=len(mask.key_lengths))
    rows, cols = range(min(ends[0], 4), min(max(ends[:2]), 4) + 1), range(min(ends[2:]), max(ends[2:]) + 1)
    shown = mask.tile(rows, range(cols.start, min(cols.stop, 7)), at).expand(at.batch, 1, len(rows), -1)
    if rows and shown.shape[-1]:
        found = mask.block(rows, range(cols.start, min(cols.stop, 7)), at)
        expected = Block.ALL if bool(shown.all()) else Block.MIXED if bool(shown.any()) else Block.NONE
        assert found is expected


@given(mask=lengths())
def test_the_items_are_the_batch(mask: Padding) -> None:
    at, one = place(batch=len(mask.key_lengths)), place(batch=1)
    whole = mask.dense(at).expand(at.batch, 1, 5, 7)
    for item in range(at.batch):
        assert torch.equal(mask.item(item).dense(one).expand(1, 1, 5, 7), whole[item : item + 1])


def test_masks_of_one_size_have_hashes_of_their_own() -> None:
    """One batch after another comes with lengths of its own: a dict of them must not compare each with all before."""
    masks = [Padding(torch.tensor([first, second])) for first in range(20) for second in range(20)]
    assert len({hash(mask) for mask in masks}) > 390
    assert len({hash(mask & Causal()) for mask in masks}) > 390
    assert len({mask.mark() for mask in masks}) == len(set(masks)) == 400


def test_equal_lengths_are_equal_masks() -> None:
    mask = Padding(torch.tensor([3, 4]), torch.tensor([1, 2]))
    for other in (Padding(torch.tensor([3, 4], dtype=torch.int32), torch.tensor([1, 2])), copy.deepcopy(mask)):
        assert mask == other
        assert hash(mask) == hash(other)
        assert mask.mark() == other.mark()
    assert pickle.loads(pickle.dumps(mask)) == mask
    for unlike in (Padding(torch.tensor([3, 4])), Padding(torch.tensor([3, 4]), torch.tensor([1, 1])), Causal(), 3):
        assert mask != unlike


def test_the_lengths_of_each_item() -> None:
    assert Padding(torch.tensor([3, 4]), torch.tensor([1, 2])).lengths() == [(3, 1), (4, 2)]
    (keys, queries), _ = Padding(torch.tensor([3, 4])).lengths()
    assert keys == 3
    assert queries > 2**40  # more than there can be
