"""`plan(measure=True)`: which kernels it runs, and what it leaves untouched."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from torch import Tensor

import regard
from regard.engine import plan as planner
from regard.engine.calibration import Calibration, Machine, Rates
from regard.kernels.row import Row
from regard.kernels.table import TABLE
from regard.spec import Request


def made_up(**seconds: float) -> Calibration:
    """A calibration by which a call of each of these kernels takes so long, whatever it does."""
    rates = {
        (name, "float32", "forward"): Rates(fixed=fixed, flop=0, cell=0, byte=0, step=0)
        for name, fixed in seconds.items()
    }
    return Calibration(Machine(cpu="Abacus", cores=2, threads=2, torch="2.13", date="2026-11-21"), rates)


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kernels that are run from here on, by name."""
    ran: list[str] = []

    def counted(row: Row) -> Row:
        def run(asked: Request) -> tuple[Tensor, Tensor | None]:
            ran.append(row.name)
            return row.run(asked)

        return replace(row, run=run)

    monkeypatch.setattr(planner, "TABLE", tuple(counted(row) for row in TABLE))
    return ran


def test_measuring_runs_the_chosen_kernel_the_next_and_those_that_are_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """exact 1 s; dense, the next, 100 s; streaming 101 s. Then streaming 4 s: close, and the next; and dense 5 s."""
    q = torch.randn(1, 1, 3, 4)
    far = {row.name: 200.0 for row in TABLE}
    for seconds, wanted in (
        ({"exact": 1.0, "dense": 100.0, "streaming": 101.0}, {"exact", "dense"}),
        ({"exact": 1.0, "dense": 5.0, "streaming": 4.0}, {"exact", "streaming"}),
        ({"exact": 1.0, "dense": 3.0, "streaming": 4.0}, {"exact", "dense", "streaming"}),
    ):
        monkeypatch.setattr(planner, "current", lambda seconds=seconds: made_up(**(far | seconds)))
        ran = counting(monkeypatch)
        plan = regard.plan(q, q, q, measure=True)
        assert set(ran) == wanted
        measured = {each.row.name for each in (plan.chosen, *plan.others) if each.measured is not None}
        assert measured == wanted
        assert str(plan).count(", measured ") == len(wanted)
        assert re.search(r"about 1 s, measured \S+ m?s", str(plan))


def test_measuring_a_forced_kernel_runs_the_cheapest_other_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    q = torch.randn(1, 1, 3, 4)
    monkeypatch.setattr(
        planner,
        "current",
        lambda: made_up(
            **{row.name: 50.0 for row in TABLE},
        ),
    )
    ran = counting(monkeypatch)
    plan = regard.plan(q, q, q, kernel="reference", measure=True)
    assert plan.kernel == "reference"
    assert "reference" in ran
    assert "exact" in ran


def test_measuring_touches_no_gradient_and_no_random_state() -> None:
    q, k, v = (torch.randn(1, 1, 5, 4, requires_grad=True) for _ in range(3))
    state = torch.get_rng_state()
    plan = regard.plan(q, k, v, dropout=0.5, measure=True)
    assert plan.chosen.measured is not None
    assert plan.chosen.measured > 0
    assert (q.grad, k.grad, v.grad) == (None, None, None)
    assert torch.equal(torch.get_rng_state(), state)
