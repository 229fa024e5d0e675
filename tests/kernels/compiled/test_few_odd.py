"""NaN and infinity in few queries' compiled loops; and the loops as plain Python, where an index out of range is an
error."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import pytest
import torch
from tests.comparison import check, truth
from tests.focus_ways import needed
from tests.kernels.compiled.test_few import ALSO, ROW, long

from regard.kernels import streaming
from regard.spec import Causal, Dense, Padding, ScaledDot, Window, request

needed()

from tests.kernels.compiled.uncompiled import uncompiled  # noqa: E402

from regard.kernels.compiled import few  # noqa: E402


@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
def test_what_nobody_may_look_at_leaves_no_trace(dtype: torch.dtype, what: float) -> None:
    closed = Dense(torch.arange(131)[None] % 2 == 0)
    for mask, spot in ((Padding(torch.tensor([131, 100])), slice(100, 131)), (closed, slice(1, None, 2))):
        for score in (ScaledDot(), ScaledDot(softcap=2.0)):
            asked = replace(long(dtype, mask), score=score)
            spoilt = replace(asked, key=asked.key.clone(), value=asked.value.clone())
            spoilt.key[1, :, spot], spoilt.value[1, :, spot] = what, what
            torch.testing.assert_close(few.run(spoilt), few.run(asked))


def test_room_that_was_never_filled_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """NaN behind a batch item's length, and before a window, is not read: the careful way is not asked for."""
    monkeypatch.setattr(streaming, "run", None)
    for mask, spot in ((Padding(torch.tensor([131, 100])), slice(100, 131)), (Window(9, 0), slice(0, 119))):
        asked = long(torch.float32, mask)
        spoilt = replace(asked, key=asked.key.clone(), value=asked.value.clone())
        spoilt.key[1, :, spot], spoilt.value[1, :, spot] = torch.nan, torch.nan
        torch.testing.assert_close(few.run(spoilt), few.run(asked), rtol=0, atol=0)


@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
def test_who_may_look_sees_nan(dtype: torch.dtype) -> None:
    asked = long(dtype, Causal(), start=100)
    spoilt = replace(asked, value=asked.value.clone())
    spoilt.value[1, 0, 102, 2] = torch.nan  # seen by the last query alone, in one coordinate
    output, lse = few.run(spoilt)
    want = torch.zeros_like(output, dtype=torch.bool)
    want[1, :2, 2, 2] = True
    assert torch.equal(torch.isnan(output), want)
    assert torch.isfinite(lse).all()


@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
@pytest.mark.parametrize("queries", [1, 4])
@pytest.mark.parametrize("what", [torch.nan, torch.inf, -torch.inf])
def test_a_score_that_is_not_finite(dtype: torch.dtype, what: float, queries: int) -> None:
    """As `streaming` gives it."""
    asked = replace(long(dtype, queries=queries), score=ScaledDot())
    spoilt = replace(asked, key=asked.key.clone())
    spoilt.key[0, 1, 77, 3] = what
    torch.testing.assert_close(few.run(spoilt), streaming.run(spoilt), equal_nan=True)


def test_numbers_too_large_for_the_scores() -> None:
    """q · k is 1e39, beyond float32: NaN, as in every kernel in float32."""
    q, k = torch.full((1, 1, 1, 1), 1e20), torch.tensor([1e19, 0.0]).view(1, 1, 2, 1)
    assert torch.isnan(few.run(request(q, k, torch.ones(1, 1, 2, 1)))[0]).all()


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """Another copy of the modules, that numba has not compiled."""
    with uncompiled() as imported:
        made = imported("few")
        imported("splits").joining()  # it is kept
        for dtype in ROW.dtypes:
            imported("splits").working(str(dtype)[6:])
    return made


@pytest.mark.parametrize("dtype", ROW.dtypes, ids=str)
@pytest.mark.parametrize("mask", ["no mask", "padding", "for each head"])
def test_no_index_is_out_of_range(
    plain: ModuleType, dtype: torch.dtype, mask: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4 + 2 rows and 4 + 1; 2 vectors, 1 and a rest; blocks of 16 keys."""
    monkeypatch.setattr(plain, "SMALLEST", 16)
    monkeypatch.setattr(plain, "SCORES", 1)
    row = replace(ROW, run=plain.run)
    for groups, queries, keys in ((2, 3, 37), (1, 5, 3), (1, 1, 37)):
        if mask == "no mask":
            asked = long(dtype, groups=groups, queries=queries, keys=keys, dim=19, value_dim=51)
        elif (groups, queries) == (2, 3):
            asked = long(dtype, ALSO[mask], dim=19, value_dim=51)
        else:
            continue
        check(row, asked, truth(asked, gradients=False), gradients=False)
