"""Planted errors in the kernels of strips: every fault of tests/faults_strips.py must raise AssertionError here, in the
fast way of `streaming` ("tiled") or in `blocks`; without a fault the same calls pass."""

from __future__ import annotations

import pytest
import torch
from tests import strips
from tests.comparison import check, hold, truth
from tests.faults import Patch
from tests.faults_strips import FAULTS_STRIPS
from tests.strips import counted, small_strips
from torch import Tensor

from regard.kernels.row import Row
from regard.kernels.table import row
from regard.spec import Causal, Dense, Dot, request

CELLS = [
    ("sinks and window", "no bias", None),
    ("holed window", "no bias", None),
    ("documents of each item", "sink", None),
    ("dense of a head", "all at once", None),
    ("packed", "alibi and relative", None),
    ("padding", "items apart", None),
    ("causal", "no bias", 0),
    ("unsorted documents", "float mask", -11),
]
ROWS = {"tiled": "streaming", "blocks": "blocks"}


def battery(kernel: str) -> None:
    """Many strips of many masks; large scores and values; what changes between two calls; what is not finite."""
    found = row(ROWS[kernel])
    assert found is not None
    with small_strips():
        for mask, bias, start in CELLS:
            check(found, *strips.call(mask, bias, torch.float64, start))
        hold_large(found)
        hold_changes(found)
        hold_not_finite(found)


def hold_large(found: Row) -> None:
    """Scores of +-400, values of 10^25, a whole row of biases of -3e38."""
    asked = strips.asked("causal", dtype=torch.float32, size=100.0)
    check(found, asked, truth(asked))
    q, k, v = (t.detach() for t in strips.inputs(torch.float32))
    q[..., 1:], k[..., 1:] = 0.01 * q[..., 1:], 0.01 * k[..., 1:]
    q[..., 0], k[..., 0] = 40.0, 1.0
    plain, large = (request(q, k, each, score=Dot()) for each in (v, v * 1e25))
    hold("large values", found.run(large)[0].double() * 1e-25, truth(plain).output, 1e-4)
    bias = torch.zeros(strips.QUERIES, strips.KEYS).index_fill(0, torch.tensor([4]), torch.finfo(torch.float32).min)
    biased = request(*(t.detach() for t in strips.inputs(torch.float32)), bias=bias)
    hold("low biases", found.run(biased)[0], truth(biased).output, 1e-5)


def hold_changes(found: Row) -> None:
    """A tensor too large for a copy, which is written over between two calls."""
    allow = torch.zeros(1, 1, strips.QUERIES, 4096, dtype=torch.bool)
    mask = Dense(allow)
    assert not mask.lasting
    q, value = torch.zeros(1, 1, strips.QUERIES, 2), torch.arange(4096.0).view(1, 1, 4096, 1)
    for key in (5, 4000):
        allow.zero_()
        allow[..., key] = True
        asked = request(q, torch.zeros(1, 1, 4096, 2), value, mask=mask)
        assert torch.equal(found.run(asked)[0], torch.full((1, 1, strips.QUERIES, 1), float(key)))


def hold_not_finite(found: Row) -> None:
    """NaN in a key or a value that no query sees, and one query that is NaN."""
    q, k, v = strips.inputs(torch.float64)
    mask = Dense((torch.arange(strips.KEYS) != 20).expand(strips.QUERIES, strips.KEYS)) & Causal()
    true = truth(request(q, k, v, mask=mask))
    for broken in (k, v):
        spoilt = broken.detach().index_fill(2, torch.tensor([20]), torch.nan).requires_grad_()
        inputs: tuple[Tensor, Tensor] = (spoilt, v) if broken is k else (k, spoilt)
        check(found, request(q, *inputs, mask=mask), true)
    lost = q.detach().index_fill(2, torch.tensor([7]), torch.nan)
    want = true.output.index_fill(2, torch.tensor([7]), torch.nan)
    hold("a lost query", found.run(request(lost, k.detach(), v.detach(), mask=mask))[0], want, 1e-12)


@pytest.mark.parametrize("kernel", FAULTS_STRIPS)
def test_without_a_fault_the_battery_passes(kernel: str) -> None:
    battery(kernel)


def test_the_battery_takes_both_ways_through_streaming() -> None:
    with counted() as taken:
        battery("tiled")
    assert min(taken[way] for way in ("forward", "backward", "careful", "bounded", "shifted")) > 0
    assert taken["careful"] == 4  # biases of -3e38, and three calls that are not finite


@pytest.mark.parametrize(
    ("kernel", "patch"),
    [
        pytest.param(kernel, fault, id=f"{kernel}: {name}")
        for kernel, faults in FAULTS_STRIPS.items()
        for name, fault in faults.items()
    ],
)
def test_every_fault_is_seen(kernel: str, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    for mask, bias, start in CELLS:  # the truths are found before the fault is there
        strips.call(mask, bias, torch.float64, start)
    patch(monkeypatch)
    with pytest.raises(AssertionError):
        battery(kernel)
