"""Fits of made-up times: the rates behind them are found again, and a made-up machine's best kernels are chosen."""

from __future__ import annotations

import sys
from dataclasses import dataclass

import pytest
import torch

from regard.engine.calibration import Rates
from regard.engine.calibration_fit import Choice, choices, fit, fitted, off
from regard.engine.calibration_grid import Asked
from regard.engine.calibration_run import Timed
from regard.spec import MissingExtraError

KIND = ("float32", "forward")
EXACT, DENSE = ("exact", *KIND), ("dense", *KIND)


@dataclass(frozen=True)
class Counts:
    """What a kernel counts for a request."""

    flops: float = 0.0
    cells: float = 0.0
    bytes: float = 0.0
    steps: float = 0.0
    biased: float = 0.0


TRUE = Rates(fixed=2e-5, flop=1e-11, cell=2e-9, byte=3e-10, step=4e-6, bias=8e-9)
COSTS = [
    Counts(flops=flops * cells, cells=cells, bytes=bytes_, steps=steps, biased=cells * (steps % 2))
    for flops, cells, bytes_, steps in [
        *[(64, 1e2, 1e4, 1), (256, 1e3, 1e4, 3), (128, 1e5, 1e6, 2), (64, 1e6, 2e6, 40), (128, 1e7, 4e6, 400)],
        *[(512, 1e4, 8e7, 5), (64, 1e3, 1e8, 1), (256, 1e6, 1e5, 1000), (128, 1e2, 1e3, 1), (64, 1e8, 1e7, 9)],
    ]
]


def asked(length: int) -> Asked:
    return Asked(shape=(1, 1, 1, length, length, 8), mask=None, dtype=torch.float32, gradient=False)


def timed(kernel: str, seconds: float, cost: Counts, length: int = 8) -> Timed:
    return Timed((kernel, *KIND), asked(length), cost, seconds)  # type: ignore[arg-type]


def test_the_rates_behind_made_up_times_are_found_again() -> None:
    found = fit(COSTS, [TRUE.seconds(cost) for cost in COSTS])  # type: ignore[arg-type]
    for name in ("fixed", "flop", "cell", "byte", "step", "bias"):
        assert getattr(found, name) == pytest.approx(getattr(TRUE, name), rel=1e-3)


def test_what_costs_nothing_gets_a_rate_of_nothing() -> None:
    """Time falls as bytes grow: the best rate would be below 0, and is 0."""
    costs = [Counts(flops=1e6, bytes=bytes_) for bytes_ in (1e3, 1e4, 1e5, 1e6)]
    found = fit(costs, [4e-3, 3e-3, 2e-3, 1e-3])  # type: ignore[arg-type]
    assert (found.byte, found.cell, found.step) == (0.0, 0.0, 0.0)


def test_times_that_scatter_are_met_in_the_middle() -> None:
    """1, 2 and 4 s for one cost: the middle of their logarithms is 2 s. Least squares of relative errors say 1.33 s."""
    found = fit([Counts()] * 3, [1.0, 2.0, 4.0])  # type: ignore[arg-type, list-item]
    assert found.fixed == pytest.approx(2.0, rel=1e-3)
    relative = (1 + 1 / 2 + 1 / 4) / (1 + 1 / 4 + 1 / 16)
    assert relative == pytest.approx(4 / 3)


def test_off_is_how_many_times_too_long_or_too_short() -> None:
    rates = Rates(fixed=2.0, flop=0, cell=0, byte=0, step=0)
    assert off(rates, timed("exact", 1.0, Counts())) == 2.0
    assert off(rates, timed("exact", 8.0, Counts())) == 4.0
    nothing = Rates(fixed=0, flop=0, cell=0, byte=0, step=0)
    assert off(nothing, timed("exact", 1e-3, Counts())) == pytest.approx(1e4)  # as if it predicted 0.1 us


def test_each_group_is_fitted_and_says_how_far_off_it_is() -> None:
    exact = [timed("exact", TRUE.seconds(cost), cost) for cost in COSTS]  # type: ignore[arg-type]
    dense = [timed("dense", 1.0 if number % 2 else 4.0, Counts()) for number in range(10)]
    few = [timed("few", 1.0, Counts())] * 5
    found = fitted([*exact, *dense, *few])
    assert set(found) == {EXACT, DENSE}  # five requests are too few
    assert found[EXACT].requests == 10
    assert found[EXACT].median_off == pytest.approx(1.0, abs=0.01)
    # half the times are 1 s and half 4 s: 2 s is predicted, also for those held out, and is off by about 2 for each
    assert found[DENSE].fixed == pytest.approx(2.0, rel=1e-3)
    assert found[DENSE].median_off == pytest.approx(2.0, rel=0.1)
    assert found[DENSE].worst_off == pytest.approx(2.0, rel=0.2)


def test_the_error_is_of_requests_that_the_fit_has_not_seen() -> None:
    """Nine calls that cost by the flop, and one that alone tells what a step costs: held out, nobody knows it."""
    costs = [*(Counts(flops=1e9 * number) for number in range(1, 10)), Counts(flops=1e9, steps=1e3)]
    group = [timed("exact", cost.flops * 1e-11 + cost.steps * 1e-2, cost) for cost in costs]
    found = fitted(group)[EXACT]
    assert found.step == pytest.approx(1e-2, rel=1e-3)
    assert found.worst_off == pytest.approx((0.01 + 10) / 0.01, rel=1e-2)


def test_the_choices_a_calibration_makes() -> None:
    rates = {
        EXACT: Rates(fixed=1.0, flop=0, cell=0, byte=0, step=0),
        DENSE: Rates(fixed=2.0, flop=0, cell=0, byte=0, step=0),
    }
    measured = [
        *(timed("exact", 1.0, Counts(), 8), timed("dense", 3.0, Counts(), 8)),
        *(timed("exact", 6.0, Counts(), 9), timed("dense", 4.0, Counts(), 9)),
        *(timed("exact", 1.0, Counts(), 10), timed("few", 0.1, Counts(), 10)),  # few was not fitted
    ]
    assert choices(measured, rates) == [
        Choice(asked(8), "exact", "exact", 1.0),
        Choice(asked(9), "exact", "dense", 1.5),
    ]


def test_without_scipy_the_message_names_the_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'regard\[train\]'"):
        fit(COSTS, [1.0] * len(COSTS))  # type: ignore[arg-type]
