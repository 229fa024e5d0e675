"""Thousands of random calls over the whole spec: the planner's choice and every kernel that can, against the truth.

Each example draws sizes, score, mask, biases and positions; half of the tensors want gradients. None may be wrong.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.comparison import Truth, check, hold, leaves, noise_of, truth
from tests.strategies import Call, calls

import regard
from regard.engine.plan import reasons
from regard.kernels import tiles
from regard.kernels.table import TABLE, Row
from regard.spec import KernelError
from regard.spec.request import DTYPES


def hold_row(row: Row, call: Call, true: Truth) -> bool:
    """Hold one row against the truth if it says that it can do the call; else it must refuse. True if it could."""
    asked = call.asked()
    if reasons(row, asked):
        with pytest.raises(KernelError, match="cannot do this"):
            regard.attend(*call.tensors, **call.more, kernel=row.name)
        return False
    check(row, asked, true)
    return True


def hold_call(call: Call) -> None:
    asked = call.asked()
    true = truth(asked)
    able = [row.name for row in TABLE if hold_row(row, call, true)]
    output = regard.attend(*call.tensors, **call.more)
    chosen = regard.plan(*call.tensors, **call.more).chosen.row
    assert chosen.name in able
    assert chosen.automatic
    hold("attend", output, true.output, noise_of(chosen, asked, true.largest_score))
    assert output.requires_grad == bool(leaves(asked))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=1000)
@given(data=st.data())
def test_any_call(dtype: torch.dtype, data: st.DataObject) -> None:
    hold_call(data.draw(calls(dtype)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=200)
@given(data=st.data())
def test_any_call_over_many_tiles(dtype: torch.dtype, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_SCORES", 1)  # tiles of 8 queries x 64 keys
        hold_call(data.draw(calls(dtype, longest=150)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@settings(max_examples=200)
@given(data=st.data())
def test_any_call_without_gradients(dtype: torch.dtype, data: st.DataObject) -> None:
    call = data.draw(calls(dtype))
    with torch.no_grad():
        true = truth(call.asked(), gradients=False)
        able = [row for row in TABLE if hold_row(row, call, true)]
        assert not regard.attend(*call.tensors, **call.more).requires_grad
    assert len(able) >= 3
