"""Planted errors: a deliberate fault in what watches attention must turn the comparisons red, every one of them.

The battery is what the suite holds `observe` to, in short; without a fault it passes, with any fault of
tests/faults_observing.py it must raise AssertionError (nothing else counts).
"""

from __future__ import annotations

import pytest
import torch
from tests import cases
from tests.faults import Patch
from tests.faults_observing import all_faults
from tests.observed import every_sample, hold_seen, hold_unbiased, small_tiles

import regard
from regard.engine.observation import Wanted
from regard.engine.observe import observe, statistics
from regard.spec import Causal, Cosine, Dense, Request, Window, request

EVERYTHING = Wanted(top=3, bins=(3, 4))


def drawn(
    queries: int, keys: int, heads: int = 2, kv_heads: int = 2, dtype: torch.dtype = torch.float64
) -> list[torch.Tensor]:
    source = torch.Generator().manual_seed(1)
    shapes = ((1, heads, queries, 4), (1, kv_heads, keys, 4), (1, kv_heads, keys, 3))
    return [torch.randn(s, generator=source, dtype=torch.float64).to(dtype) for s in shapes]


def hold_part(asked: Request, wanted: Wanted = EVERYTHING) -> None:
    hold_seen(asked, statistics(asked, wanted), wanted)


def battery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of the grid, parts, rubbish in padding, every sample of a few, outputs; in small tiles and in large."""
    hold_outputs()
    small_tiles(monkeypatch)
    hold_part(cases.asked("scaled", "sinks and window", "all at once"))
    hold_part(cases.asked("softcap", "documents", "tensor"), Wanted(heads=(5, 0, 4), queries=torch.tensor([1, 3, 6])))
    hold_part(cases.asked("additive a head", "padded keys and queries", "float mask"))
    hold_part(cases.asked("scaled", "causal", "no bias", torch.float32))
    hold_part(request(*drawn(7, 60, heads=4, kv_heads=1)), Wanted(heads=(0, 3, 2), top=2, bins=(7, 5)))
    for start in (-50, 5, 80):
        hold_part(request(*drawn(5, 60), query_start=start))
    hold_rubbish()
    hold_samples()


def hold_outputs() -> None:
    for mask, dtype in ((None, torch.float32), (Causal(), torch.float32), (None, torch.bfloat16)):
        q, k, v = drawn(37, 37, heads=4, dtype=dtype)
        for score in (regard.ScaledDot(0.3), Cosine(8.0)):
            out, seen = observe(q, k, v, score=score, mask=mask, kernel="exact")
            assert torch.equal(out, regard.attend(q, k, v, score=score, mask=mask, kernel="exact"))
            hold_seen(request(q, k, v, score=score, mask=mask), seen)


def hold_rubbish() -> None:
    mask = Dense((torch.arange(9) != 3)[None]) & Window(4, 9)
    for what, dtype in ((torch.nan, torch.float32), (1e31, torch.float64)):
        q, k, v = drawn(5, 9, dtype=dtype)
        broken = k.clone()
        broken[:, :, 3] = what
        hold_seen(request(q, k, v, mask=mask), statistics(request(q, broken, v, mask=mask), EVERYTHING), EVERYTHING)


def hold_samples() -> None:
    asked = request(*drawn(6, 25))
    whole = statistics(asked, Wanted(bins=(1, 2)))
    assert whole.map is not None
    samples = list(every_sample(asked, 2 / 6, bins=(1, 2)).values())
    for estimates, errors, truth in (
        ([s.received for s in samples], [s.received_error for s in samples], whole.received),
        ([s.map for s in samples], [s.map_error for s in samples], whole.map),
        (*zip(*(s.mean("entropy") for s in samples), strict=True), whole.mean("entropy")[0]),
    ):
        hold_unbiased(list(estimates), list(errors), truth)  # type: ignore[arg-type]


def test_without_a_fault_the_battery_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    battery(monkeypatch)


@pytest.mark.parametrize("patch", all_faults())
def test_every_fault_is_seen(patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)
    with pytest.raises(AssertionError):
        battery(monkeypatch)
