"""A place: positions of queries and keys, and the offsets between them, by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from regard.spec import Place


def place(start: int) -> Place:
    return Place(2, 3, 5, 7, start, torch.device("cpu"))


def test_positions_of_queries_and_keys() -> None:
    here = place(start=-1)
    assert here.rows == range(5)
    assert here.cols == range(7)
    assert here.positions(range(1, 4)).tolist() == [[0], [1], [2]]
    assert here.keys(range(4, 7)).tolist() == [[4, 5, 6]]


def test_offsets_are_key_minus_query() -> None:
    offsets = place(start=2).offsets(range(2), range(4))
    assert offsets.tolist() == [[-2, -1, 0, 1], [-3, -2, -1, 0]]


@pytest.mark.parametrize("start", [-20, 0, 2, 9])
def test_offset_range_is_that_of_the_offsets(start: int) -> None:
    here = place(start)
    for rows, cols in ((range(5), range(7)), (range(2, 4), range(3, 4)), (range(4, 5), range(7))):
        offsets = here.offsets(rows, cols)
        assert here.offset_range(rows, cols) == (offsets.min().item(), offsets.max().item())


def test_a_place_is_frozen_and_compares_by_content() -> None:
    assert place(2) == place(2)
    assert place(2) != place(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        place(2).batch = 3  # type: ignore[misc]
