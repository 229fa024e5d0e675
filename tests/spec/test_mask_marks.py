"""What a memory tells masks apart by, and the masks whose hulls hold no block of nothing."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import strategies

from regard.spec import Block, Causal, Dilated, Mask, Padding, Place, Prefix, Sinks, Window

CPU = torch.device("cpu")


@st.composite
def masks(draw: strategies.Draw) -> Mask:
    """Any mask of up to four parts."""
    made = strategies.mask(draw, draw(strategies.sizes(torch.float32)))
    return Causal() if made is None else made


@pytest.mark.parametrize(
    "mask", [Causal(), Window(2, 1), Sinks(2), Prefix(4), Window(3, 0) & Causal(), Prefix(6) & (Causal() & Sinks(5))]
)
@pytest.mark.parametrize("start", [-6, -1, 0, 3, 7, 20])
def test_a_solid_mask_has_no_block_of_nothing_inside_its_hull(mask: Mask, start: int) -> None:
    at = Place(1, 1, 4, 9, start, CPU)
    assert mask.solid
    for first, last in itertools.combinations(range(at.query_len + 1), 2):
        rows = range(first, last)
        for cols in itertools.combinations(range(mask.hull(rows, at).start, mask.hull(rows, at).stop + 1), 2):
            assert mask.block(rows, range(*cols), at) is not Block.NONE


def test_a_mask_with_gaps_is_not_solid() -> None:
    for mask in (Window(1, 0) | Sinks(1), ~Window(1, 1), Dilated(2, 4), Padding(torch.tensor([3])) & Causal()):
        assert not mask.solid


@settings(max_examples=100)
@given(one=masks(), two=masks())
def test_marks_are_as_equal_as_masks(one: Mask, two: Mask) -> None:
    assert one.mark() == copy.deepcopy(one).mark()
    assert (one.mark() == two.mark()) == (one == two)
