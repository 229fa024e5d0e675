"""The lse by itself: the truth's for every query and head asked about, NaN for the others."""

from __future__ import annotations

import math

import pytest
import torch
from tests import cases
from tests.observed import BASE, figures, hold

from regard.kernels import layout, row_sums, second_pass
from regard.spec import Dot, Padding, Request, SinkLogits, request

ALL = tuple(range(cases.HEADS))


def lse_of(asked: Request, queries: list[int] | None = None, heads: tuple[int, ...] = ALL) -> torch.Tensor:
    chosen = torch.arange(asked.place.query_len) if queries is None else torch.tensor(queries, dtype=torch.int64)
    return row_sums.lse(asked, second_pass.made(asked), chosen, heads)


def test_sums_of_1_2_5_and_a_sink_of_8() -> None:
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 2.0, 5.0]).log().view(1, 1, 3, 1)
    asked = request(q, k, k, score=Dot())
    assert lse_of(asked, heads=(0,)).item() == pytest.approx(math.log(8), rel=1e-6)
    sunk = request(q, k, k, score=Dot(), bias=SinkLogits(torch.tensor([math.log(8)])))
    assert lse_of(sunk, heads=(0,)).item() == pytest.approx(math.log(16), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("bias", ["no bias", "float mask", "all at once"])
@pytest.mark.parametrize("score", ["scaled by -.3", "softcap", "general", "additive a head"])
def test_over_many_small_tiles(score: str, bias: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles of 3 queries and 4 keys."""
    monkeypatch.setattr(layout, "GRAIN", 4)
    monkeypatch.setattr(row_sums, "WIDTH", 4)
    monkeypatch.setattr(row_sums, "CELLS", 12)
    for mask in cases.masks():
        asked = cases.asked(score, mask, bias, dtype)
        true = figures(asked)
        working = torch.promote_types(dtype, torch.float32)
        floor = 4 * torch.finfo(working).eps * (1 + true.largest_score)
        hold(mask, lse_of(asked), true.lse, BASE[working], floor, working)


def test_only_what_is_asked_about() -> None:
    asked = cases.asked("scaled", "documents", "sink")
    found = lse_of(asked, [1, 4, 6], (5, 0))
    whole = lse_of(asked)
    asked_about = torch.zeros(6, 7, dtype=torch.bool)
    asked_about[[[0], [5]], [1, 4, 6]] = True
    assert torch.equal(~found.isnan(), asked_about.expand(2, 6, 7))
    torch.testing.assert_close(found[:, asked_about], whole[:, asked_about])
    assert lse_of(asked, []).isnan().all()
    assert lse_of(asked, heads=()).isnan().all()


def test_empty_rows_are_minus_infinity_with_a_sink_and_without() -> None:
    for bias in (None, SinkLogits(torch.ones(6, dtype=torch.float64))):
        q, k, v = (t.detach() for t in cases.inputs(torch.float64))
        asked = request(q, k, v, mask=Padding(torch.tensor([0, 5])), bias=bias)
        found = lse_of(asked)
        assert torch.isneginf(found[0]).all()
        assert torch.isfinite(found[1]).all()


def test_the_largest_score_may_come_last_or_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """log(e^-1e4 + e^0 + e^1e4) is 1e4: no overflow, whichever tile comes first."""
    monkeypatch.setattr(layout, "GRAIN", 1)
    monkeypatch.setattr(row_sums, "WIDTH", 1)
    for keys in ([-1e4, 0.0, 1e4], [1e4, 0.0, -1e4], [-1e4, -1e4, -1e4]):
        k = torch.tensor(keys).view(1, 1, 3, 1)
        found = lse_of(request(torch.ones(1, 1, 1, 1), k, k, score=Dot()), heads=(0,)).item()
        want = max(keys) + math.log(keys.count(max(keys)))
        assert found == pytest.approx(want, abs=2e-3)  # half a float32 step at 1e4 is 5e-4, at 1.4e4 in log2 as well


def test_no_gradient_flows_from_what_is_asked_under_no_grad() -> None:
    with torch.no_grad():
        assert not lse_of(cases.asked("scaled", "causal", "sink")).requires_grad
