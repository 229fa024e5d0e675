"""Padding, Documents, Dense, and what may stand in `mask=`: shapes, in-place changes, and every refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from regard.spec import Block, Causal, Dense, Documents, MaskError, Padding, Place, ShapeError
from regard.spec.membership import as_mask


def place(batch: int = 2, heads: int = 3, queries: int = 5, keys: int = 7, start: int = 2) -> Place:
    return Place(batch, heads, queries, keys, start, torch.device("cpu"))


def test_documents_default_to_self_attention() -> None:
    assert Documents(torch.tensor([7, 7, 9])).picture(3) == "■■·\n■■·\n··■"
    assert Documents(torch.tensor([0, 1]), torch.tensor([[1, 1, 0], [0, 0, 0]])).picture(2, 3, batch=1) == "■■■\n···"
    assert Documents(torch.tensor([0])).words() == "own document"


def test_documents_of_one_row_serve_every_item() -> None:
    one = Documents(torch.tensor([[1, 1, 2, 2, 2]]), torch.tensor([1, 1, 1, 1, 2, 2, 2]))
    one.check(place(batch=2))
    assert one.dense(place(batch=2)).shape == (1, 1, 5, 7)
    assert one.block(range(2), range(4), place(batch=2)) is Block.ALL
    assert one.block(range(2), range(4, 7), place(batch=2)) is Block.NONE


def test_a_block_is_none_or_all_only_if_it_is_so_for_every_item() -> None:
    mask = Documents(torch.tensor([[1, 1, 1, 1, 1], [2, 2, 2, 2, 2]]), torch.tensor([1] * 7))
    assert mask.block(range(5), range(7), place()) is Block.MIXED
    assert Padding(torch.tensor([7, 3])).block(range(5), range(3, 7), place()) is Block.MIXED


def test_documents_without_queries_or_keys() -> None:
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    assert Documents(nothing).dense(place(queries=0, keys=0)).shape == (2, 1, 0, 0)


@pytest.mark.parametrize("given", [[1, 2], torch.tensor([1.0]), torch.tensor(1), torch.ones(2, dtype=torch.bool)])
def test_documents_take_whole_numbers(given: object) -> None:
    with pytest.raises(
        MaskError, match=r"Documents\(query_ids=...\) takes \(length,\) or \(batch, length\) int64 ids, got"
    ):
        Documents(given)  # type: ignore[arg-type]
    with pytest.raises(MaskError, match=r"Documents\(key_ids=...\)"):
        Documents(torch.tensor([1]), given)  # type: ignore[arg-type]


def test_documents_must_fit() -> None:
    queries, keys = torch.ones(5, dtype=torch.int64), torch.ones(3, 7, dtype=torch.int64)
    with pytest.raises(MaskError, match=r"key_ids has shape \(3, 7\); expected \(7,\) or \(2, 7\): pass one id a key"):
        Documents(queries, keys).check(place())
    with pytest.raises(
        MaskError, match=r"query_ids has shape \(3, 7\); expected \(5,\) or \(2, 5\): pass one id a query"
    ):
        Documents(keys, queries).check(place())
    with pytest.raises(MaskError, match=r"key_ids \(by default query_ids\) has shape \(5,\); expected \(7,\)"):
        Documents(queries).check(place())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.ones(5, 7, dtype=torch.int64), r"an int64 tensor of shape \(5, 7\)"),
        (torch.ones(5, 7, dtype=torch.uint8), r"a uint8 tensor"),
        (torch.zeros(5, 7), r"a float32 tensor"),
        ([[True]], r"\[\[True\]\]"),
    ],
)
def test_a_mask_must_be_boolean(given: object, said: str) -> None:
    with pytest.raises(
        MaskError, match=rf"a mask must be a bool tensor in which True means may attend, got {said}"
    ) as info:
        Dense(given)  # type: ignore[arg-type]
    message = str(info.value)
    assert "mask.bool()" in message
    assert "~mask.bool()" in message
    assert "go in bias=" in message


@pytest.mark.parametrize("shape", [(), (7,), (2, 5, 7), (1, 2, 3, 5, 7)])
def test_a_dense_mask_has_two_or_four_axes(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        MaskError, match=r"a dense mask has shape .*; expected \(query_len, key_len\) or \(batch, heads"
    ):
        Dense(torch.ones(shape, dtype=torch.bool))


@pytest.mark.parametrize("shape", [(7, 5), (5, 6), (2, 2, 5, 7), (3, 3, 5, 7), (2, 3, 5, 8)])
def test_a_dense_mask_must_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(MaskError, match=r"does not broadcast to .*: expected those sizes, or 1 where it repeats"):
        Dense(torch.ones(shape, dtype=torch.bool)).check(place())


@pytest.mark.parametrize("shape", [(5, 7), (1, 7), (2, 1, 5, 1), (1, 3, 1, 7)])
def test_a_dense_mask_repeats_where_it_is_one(shape: tuple[int, ...]) -> None:
    mask = Dense(torch.ones(shape, dtype=torch.bool))
    mask.check(place())
    assert mask.words() == f"dense {shape}"
    assert mask.block(range(1, 3), range(2, 4), place()) is Block.ALL


def test_what_may_stand_in_mask() -> None:
    allowed = torch.ones(5, 7, dtype=torch.bool)
    causal = Causal()
    assert as_mask(None) is None
    assert as_mask(causal) is causal
    assert as_mask(allowed) == Dense(allowed)
    with pytest.raises(MaskError, match="a mask must be a bool tensor"):
        as_mask(allowed.to(torch.uint8))


@pytest.mark.parametrize("given", ["causal", True, Causal, np.ones((300, 300), bool)])
def test_what_may_not_stand_in_mask(given: object) -> None:
    with pytest.raises(MaskError, match=r"mask=.*: expected None, a mask such as Causal\(\), or a bool tensor") as info:
        as_mask(given)
    assert "\n" not in str(info.value)
    assert len(str(info.value)) < 200


def test_a_mask_error_is_not_a_shape_error() -> None:
    assert not issubclass(MaskError, ShapeError)


def test_packed_rows_and_small_arrays_have_hashes_of_their_own() -> None:
    """One batch after another comes with documents of its own: a dict of them must not compare each with all before."""
    packed = [Documents.packed([first, 40 - first]) for first in range(1, 40)]
    arrays = [Dense(torch.eye(40, dtype=torch.bool)[[row]]) for row in range(40)]
    for masks in (packed, arrays):
        assert len({hash(mask) for mask in masks}) == len({mask.mark() for mask in masks}) == len(set(masks))
    assert packed[0] == Documents.packed([1, 39])
    assert packed[0].mark() == Documents.packed([1, 39]).mark()
    assert hash(arrays[0]) == hash(Dense(arrays[0].allowed.clone()))
    ids = torch.zeros(3, dtype=torch.int64)
    assert Documents(ids).mark() != Documents(ids, ids).mark()


def test_a_mark_holds_no_tensor_and_a_large_array_has_none_of_its_contents() -> None:
    large = torch.zeros(300, 300, dtype=torch.bool)
    assert Dense(large).mark() == Dense(~large).mark() == "dense (300, 300)"
    mark = (Documents.packed([2, 1]) & ~Padding(torch.tensor([3]))).mark()
    assert "tensor" not in repr(mark)
    assert mark != (Documents.packed([2, 1]) & Padding(torch.tensor([3]))).mark()
