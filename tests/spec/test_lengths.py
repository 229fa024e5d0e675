"""Lengths as callers give them, and the packed sequences that they describe."""

from __future__ import annotations

import pytest
import torch

import regard
from regard.spec import Causal, Documents, MaskError, Place
from regard.spec.lengths import as_lengths


@pytest.mark.parametrize(
    "given", [[2, 0, 1], (2, 0, 1), torch.tensor([2, 0, 1]), torch.tensor([2, 0, 1], dtype=torch.int32)]
)
def test_a_list_or_a_tensor(given: object) -> None:
    made = as_lengths("it", given)  # type: ignore[arg-type]
    assert (made.tolist(), made.dtype) == ([2, 0, 1], torch.int64)
    assert torch.equal(Documents.packed(given).query_ids, torch.tensor([0, 0, 2]))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([2, -1], r"it\[1\] = -1: a sequence has no length below 0"),
        (torch.tensor([-3, -1]), r"it\[0\] = -3: a sequence"),
        ([2, 1.5], r"it=\[2, 1.5\]: expected a list of whole numbers"),
        ([True], r"it=\[True\]: expected"),
        (7, "it=7: expected"),
        (torch.tensor([2.0]), r"it=a float32 tensor of shape \(1,\): expected"),
        (torch.tensor([[2]]), r"it=an int64 tensor of shape \(1, 1\): expected"),
        (torch.tensor([True]), r"it=a bool tensor"),
    ],
)
def test_what_is_no_length_is_named(given: object, words: str) -> None:
    with pytest.raises(MaskError, match=words):
        as_lengths("it", given)  # type: ignore[arg-type]


def test_packed_in_a_picture() -> None:
    place = Place(1, 1, 4, 4, 0, torch.device("cpu"))
    assert (Documents.packed([2, 0, 1, 1]) & Causal()).dense(place)[0, 0].int().tolist() == [
        [1, 0, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
    ]


def test_packed_with_keys_of_other_lengths() -> None:
    """2 and 1 queries, 1 and 3 keys; the third item has a key but no query."""
    mask = Documents.packed([2, 1, 0], torch.tensor([1, 3, 1]))
    place = Place(1, 1, 3, 5, 0, torch.device("cpu"))
    assert mask.dense(place)[0, 0].int().tolist() == [[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 1, 1, 0]]
    assert mask == Documents(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1, 1, 2]))


def test_packed_is_the_same_as_ids() -> None:
    assert Documents.packed([2, 1]) == Documents(torch.tensor([0, 0, 1]))
    assert Documents.packed([]).query_ids.tolist() == []


def test_as_many_lengths_as_key_lengths() -> None:
    with pytest.raises(MaskError, match="2 lengths but 3 key_lengths"):
        Documents.packed([2, 1], [1, 1, 1])
    with pytest.raises(MaskError, match=r"packed\(key_lengths\)\[0\] = -1"):
        Documents.packed([2], [-1])


def test_sums_that_do_not_fit_are_seen_when_the_mask_is_used() -> None:
    q = torch.ones(1, 1, 4, 2)
    with pytest.raises(MaskError, match=r"query_ids has shape \(3,\); expected \(4,\)"):
        regard.attend(q, q, q, mask=Documents.packed([2, 1]))
    with pytest.raises(MaskError, match=r"one id a query \(with Documents.packed: lengths that add up to 4\)$"):
        regard.attend(q, q, q, mask=Documents.packed([2, 1]))
    with pytest.raises(MaskError, match=r"one id a key \(with Documents.packed: key_lengths that add up to 4\)$"):
        regard.attend(q, q, q, mask=Documents.packed([2, 2], [2, 1]))
