"""Planted errors in `Focus`: every fault of tests/faults_focus.py must raise AssertionError here; without a fault the
same calls pass."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from tests import focus_tiles_reference
from tests.faults import Patch
from tests.faults_focus import FAULTS_FOCUS
from tests.focus_cases import HEADS, Call, asked, call, check, inputs, masks, policy
from tests.focus_tiles_gradients import check_gradients
from tests.focus_ways import only

from regard.spec import Causal, Dense, SinkLogits, request

CALLS = ("causal", "no mask", "padding left", "window", "all but the keys behind the sketch")


@pytest.fixture(autouse=True)
def _way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The faults are in torch's operations; those of compiled loops are in tests/kernels/compiled/test_planted.py."""
    only("torch", monkeypatch)


@cache
def calls() -> tuple[Call, ...]:
    """At every resolution; masks that cut blocks, differ from item to item, or close what lies behind the sketch."""
    sink = SinkLogits(torch.linspace(0, 2, HEADS))
    return (
        *(call(asked(masks()[mask])) for mask in CALLS),
        call(asked(Causal(), bias=sink), policy(bits=4)),
        call(asked(Causal()), policy(bits=16)),
        call(asked(), policy(exact=0, first=0)),
    )


def one_by_one() -> None:
    for each in calls():
        check(each)


def tiles() -> None:
    """61 queries; the truth is found anew, which shares nothing with the kernel but sketch and layout."""
    real = (torch.arange(157) >= torch.tensor([[30], [0]]))[:, None, None]
    with focus_tiles_reference.small_tiles():
        focus_tiles_reference.check(asked(Causal(), queries=61, bias=SinkLogits(torch.zeros(HEADS))))
        focus_tiles_reference.check(asked(Causal() & Dense(real), queries=61))
        trained = (each.requires_grad_() for each in inputs(queries=61))
        check_gradients(request(*trained, mask=Causal()))


BATTERIES = {"focus": one_by_one, "focus-tiles": tiles}


@pytest.mark.parametrize("kernel", FAULTS_FOCUS)
def test_without_a_fault_the_battery_passes(kernel: str) -> None:
    BATTERIES[kernel]()


@pytest.mark.parametrize(
    ("kernel", "patch"),
    [
        pytest.param(kernel, fault, id=f"{kernel}: {name}")
        for kernel, faults in FAULTS_FOCUS.items()
        for name, fault in faults.items()
    ],
)
def test_every_fault_is_seen(kernel: str, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    calls()  # the truths are found before the fault is there
    patch(monkeypatch)
    with pytest.raises(AssertionError):
        BATTERIES[kernel]()
