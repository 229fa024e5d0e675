"""Hundreds of random calls over the whole spec: the planner's kernel or one drawn, any heads, queries, keys and bins.

Every figure is held to the reference, and the output to `attend`'s, bit for bit.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.observed import hold_seen, small_tiles
from tests.strategies import Call, Draw, calls

import regard
from regard.engine.observation import Wanted
from regard.engine.observe import flow, statistics
from regard.engine.plan import reasons
from regard.kernels.table import TABLE
from regard.spec import Place
from regard.spec.request import DTYPES


def within(draw: Draw, length: int) -> range:
    start = draw(st.integers(0, length))
    return range(start, draw(st.integers(start, length)))


@st.composite
def wanted(draw: Draw, place: Place) -> Wanted:
    """Any heads in any order, queries side by side or not, a region of keys, bins where there is anything to bin."""
    heads = draw(st.none() | st.lists(st.integers(0, place.heads - 1), unique=True).map(tuple))
    kind = draw(st.sampled_from(["all", "range", "picked"]))
    queries = None if kind == "all" else within(draw, place.query_len)
    if kind == "picked" and queries is not None:
        chosen = draw(st.sets(st.sampled_from(queries))) if len(queries) else set()
        queries = torch.tensor(sorted(chosen), dtype=torch.int64)
    keys = draw(st.none()) if draw(st.booleans()) else within(draw, place.key_len)
    count = place.query_len if queries is None else len(queries)
    some = count and (place.key_len if keys is None else len(keys))
    bins = draw(st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9))) if some else None
    return Wanted(top=draw(st.integers(0, 5)), bins=bins, heads=heads, queries=queries, keys=keys)


def hold_observation(draw: Draw, call: Call) -> None:
    asked = call.asked()
    want = draw(wanted(asked.place))
    able = [None, *(row.name for row in TABLE if not reasons(row, asked))]
    kernel = draw(st.sampled_from(able))
    plain = regard.attend(*call.tensors, **call.more, kernel=kernel)
    out, seen = regard.observe(*call.tensors, **call.more, kernel=kernel, **vars(want))
    assert torch.equal(out, plain)
    assert out.requires_grad == plain.requires_grad
    hold_seen(asked, seen, want)
    hold_seen(asked, statistics(asked, want), want)
    if want.bins is not None and not isinstance(want.queries, torch.Tensor):
        again = flow(asked, bins=want.bins, heads=want.heads, queries=want.queries, keys=want.keys)
        for one, other in zip(again, (seen.map, seen.row_edges, seen.col_edges), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=150)
@given(data=st.data())
def test_any_observation(dtype: torch.dtype, data: st.DataObject) -> None:
    hold_observation(data.draw, data.draw(calls(dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=60)
@given(data=st.data())
def test_any_observation_over_many_tiles(dtype: torch.dtype, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        small_tiles(patch)
        hold_observation(data.draw, data.draw(calls(dtype, longest=60)))
