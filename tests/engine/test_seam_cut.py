"""Keys that no query reaches are cut off, and the mask over the others is the same mask."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from regard.engine.seam_cut import cuts, fitted, in_reach, movable, narrowed, opened, over, span
from regard.kernels import reference
from regard.spec import (
    ALiBi,
    Causal,
    Dense,
    Dilated,
    Documents,
    Grid2D,
    Mask,
    Padding,
    Place,
    Prefix,
    RelativeBias,
    Sinks,
    TensorBias,
    Window,
    request,
)

BOOLS = torch.tensor([True, False, True, True, False, True, True, True])


def place(query_len: int, key_len: int, start: int, batch: int = 2) -> Place:
    return Place(batch, 1, query_len, key_len, start, torch.device("cpu"))


@pytest.mark.parametrize(
    ("mask", "start", "keys"),
    [
        (Causal(), 3, range(5)),  # queries at 3 and 4 of 8 keys
        (Window(1, 0), 3, range(2, 5)),
        (Window(2, 1), 0, range(3)),
        (Window(1, 0) & Dense(BOOLS[None]), 3, range(2, 5)),
        (Window(1, 0) | Sinks(1), 3, range(5)),
        (Window(1, 0) | Window(0, 2), 3, range(2, 7)),
        (Dilated(2, 2, 1), 3, range(1, 6)),
        (Causal(), -5, range(8)),  # nothing in reach: left as it is
        (Prefix(2), 3, range(8)),
        (~Causal(), 3, range(8)),
        (None, 3, range(8)),
    ],
)
def test_keys_in_reach(mask: Mask | None, start: int, keys: range) -> None:
    assert in_reach(mask, place(2, 8, start)) == keys


def test_spans() -> None:
    infinite = float("inf")
    assert span(Causal() & Window(3, 2)) == (-3, 0)
    assert span(Causal() | Window(3, 2)) == (-infinite, 2)
    assert span(Padding(torch.tensor([1]))) == (-infinite, infinite)


LEAVES = [
    Causal(),
    Window(2, 1),
    Dilated(2, 4, 2),
    Sinks(3),
    Prefix(4),
    Padding(torch.tensor([3, 7])),
    Documents(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1, 1, 1, 2, 2, 2])),
    Dense(BOOLS[None, None, None]),
    Dense(torch.tensor([[[[True]]], [[[False]]]])),
]


def trees() -> st.SearchStrategy[Mask]:
    return st.recursive(
        st.sampled_from(LEAVES),
        lambda inner: st.one_of(
            st.tuples(inner, inner).map(lambda both: both[0] & both[1]),
            st.tuples(inner, inner).map(lambda both: both[0] | both[1]),
            inner.map(lambda mask: ~mask),
        ),
        max_leaves=4,
    )


def whole(mask: Mask | None, where: Place) -> Tensor:
    shape = (where.batch, 1, where.query_len, where.key_len)
    return torch.ones(shape, dtype=torch.bool) if mask is None else mask.dense(where).expand(shape)


@settings(max_examples=150, deadline=None)
@given(mask=trees(), start=st.integers(-3, 9))
def test_what_is_cut_off_was_out_of_reach_and_the_rest_is_the_same(mask: Mask, start: int) -> None:
    where = place(3, 8, start)
    keys, left = fitted(mask, where)
    expected = whole(mask, where)
    cut = place(3, len(keys), start - keys.start)
    assert torch.equal(whole(left, cut), expected[..., keys.start : keys.stop])
    outside = [key for key in range(8) if key not in keys]
    assert not expected[..., outside].any()


@settings(max_examples=60, deadline=None)
@given(mask=trees(), first=st.integers(0, 4), count=st.integers(1, 4))
def test_any_stretch_of_keys(mask: Mask, first: int, count: int) -> None:
    keys = range(first, first + count)
    moved = narrowed(mask, keys)
    assert torch.equal(
        whole(moved, place(3, count, 2 - first)), whole(mask, place(3, 8, 2))[..., first : first + count]
    )


def test_what_counts_cells_from_the_first_key_stays_whole() -> None:
    grid = Grid2D(2, 4, 1)
    assert not movable(grid & Causal())
    assert not movable(~grid)
    assert movable(None)
    where = place(2, 8, 0)
    assert fitted(grid & Causal(), where)[0] == range(8)


def test_parts_that_allow_everything_are_dropped() -> None:
    where = place(2, 4, 3)
    always = Dense(torch.ones(1, 4, dtype=torch.bool))
    assert opened(always, where) is None
    assert opened(always & Causal(), where) is None  # queries at 3 and 4
    assert opened(Window(1, 0) & always, where) == Window(1, 0)
    assert opened(always & Window(1, 0), where) == Window(1, 0)
    both = Window(1, 0) & Causal() & Window(2, 1)
    assert opened(both, place(4, 4, 0)) is both
    assert opened(None, where) is None
    assert opened(Causal(), place(0, 4, 0)) == Causal()


@pytest.mark.parametrize(
    "bias",
    [
        None,
        TensorBias(torch.randn(3, 8, generator=torch.Generator().manual_seed(3))),
        TensorBias(torch.randn(1, 2, 3, 1, generator=torch.Generator().manual_seed(3))),
        ALiBi.for_heads(2),
        RelativeBias(torch.randn(2, 7, generator=torch.Generator().manual_seed(4))),
    ],
    ids=str,
)
def test_the_output_is_the_same(bias: object) -> None:
    draw = torch.Generator().manual_seed(1)
    q, k, v = (torch.randn(2, 2, length, 4, generator=draw) for length in (3, 8, 8))
    asked = request(q, k, v, mask=Window(2, 0), bias=bias, query_start=3)  # type: ignore[arg-type]
    assert cuts(asked)
    keys, left = fitted(asked.mask, asked.place)
    short = over(asked, keys, left)
    assert (short.place.key_len, short.place.query_start) == (5, 2)
    torch.testing.assert_close(reference.run(short)[0], reference.run(asked)[0])


def test_a_request_that_loses_no_key_stays_itself() -> None:
    q = torch.ones(1, 1, 4, 4)
    asked = request(q, q, q, mask=Causal())
    assert over(asked, *fitted(asked.mask, asked.place)) is asked
    assert over(asked, range(4), None).mask is None
