"""How many keys a query may read, and how many of them are the latest: by hand."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.focus_allotted import Allotted, spread
from regard.spec import Focus

CPU = torch.device("cpu")


def allotted(*counts: int, first: int = 2, latest: float = 0.25) -> Allotted:
    return Allotted.of(counts, Focus(first=first, latest=latest), (1, len(counts)), CPU)


def test_a_share_of_them_is_the_latest() -> None:
    found = allotted(8, 11, 40)
    assert found.most.tolist() == [[8, 11, 40]]
    assert found.latest.tolist() == [[2, 2, 10]]
    assert (found.largest, found.same) == (40, False)
    assert found.most.dtype == found.latest.dtype == torch.int64


def test_the_first_come_before_the_latest() -> None:
    """Of 5 keys 3 are the first: 2 are left, where .9 of 5 would be 4."""
    assert allotted(5, first=3, latest=0.9).latest.tolist() == [[2]]


def test_all_alike_and_none() -> None:
    assert allotted(7, 7, 7).same
    nothing = allotted()
    assert nothing.same
    assert nothing.largest == 0
    assert nothing.most.shape == (1, 0)


@pytest.mark.parametrize("numbers", [[2.5], [2.5, 3.5], []])
def test_one_number_is_spread_as_many_are(numbers: list[float]) -> None:
    found = spread(numbers, (1, len(numbers)), torch.float64, CPU)
    assert found.tolist() == [numbers]
    assert found.dtype == torch.float64
