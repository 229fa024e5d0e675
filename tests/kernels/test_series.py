"""Strips along a diagonal as views of one memory."""

from __future__ import annotations

import torch

from regard.kernels.series import Series


def test_queries_lie_behind_each_other_and_keys_overlap() -> None:
    """Two strips of 2 queries, from query 1 on, of 3 keys each, from key 0 on."""
    series = Series(row=1, col=0, rows=2, keys=3, count=2)
    numbers = torch.arange(12.0).view(2, 6, 1)  # two heads of 6 vectors
    assert series.of_queries(numbers)[..., 0].tolist() == [[[1, 2], [3, 4]], [[7, 8], [9, 10]]]
    assert series.of_keys(numbers)[..., 0].tolist() == [[[0, 1, 2], [2, 3, 4]], [[6, 7, 8], [8, 9, 10]]]
    assert series.of_keys(numbers).untyped_storage().data_ptr() == numbers.untyped_storage().data_ptr()
    assert series.span == slice(1, 5)


def test_views_keep_to_a_slice_and_to_strides() -> None:
    """Vectors of 2, every second of them, from the second head of a larger tensor."""
    numbers = torch.arange(48.0).view(2, 12, 2)[1:, ::2]
    assert Series(row=0, col=2, rows=2, keys=2, count=2).of_keys(numbers).tolist() == [
        [[[32, 33], [36, 37]], [[40, 41], [44, 45]]]
    ]


def test_what_comes_next() -> None:
    series = Series(row=4, col=1, rows=4, keys=7)
    assert series.takes(Series(8, 5, 4, 7))
    assert not series.takes(Series(12, 9, 4, 7))  # the one after the next
    assert not series.takes(Series(8, 5, 3, 7))
    assert not series.takes(Series(8, 4, 4, 7))
    assert not series.takes(Series(8, 5, 4, 8))
    assert Series(4, 1, 4, 7, count=2).takes(Series(12, 9, 4, 7))
