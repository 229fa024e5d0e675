"""Planted errors: a deliberate fault in a kernel must turn the comparisons of this suite red, every one of them.

The battery is what the suite holds a kernel to, in short; without a fault it passes, with any fault of tests/faults.py
it must raise AssertionError (nothing else counts). `streaming` is held to its careful way here; its fast way, and
`blocks`, have tests/kernels/test_planted_strips.py; rows of table_few have test_planted_few.py beside it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests import cases
from tests.by_hand import hold_slopes, hold_steps
from tests.comparison import check, rebuilt, truth
from tests.faults import FAULTS, Patch
from tests.faults_few import FAULTS_FEW
from tests.faults_focus import FAULTS_FOCUS
from tests.faults_strips import FAULTS_STRIPS
from torch import Tensor

from regard.kernels import tiled, tiles
from regard.kernels.table import TABLE
from regard.spec import Causal, Dense, Padding, ScaledDot, request

CELLS = {
    "streaming": [
        ("scaled", "causal but not near", "all at once"),
        ("softcap", "documents", "tensor"),
        ("sigmoid", "padded keys and queries", "float mask"),
    ],
    "additive": [("additive a head", "causal but not near", "all at once"), ("additive", "documents", "tensor")],
    "exact": [
        ("scaled", "causal but not near", "alibi"),
        ("straight", "no mask", "no bias"),
        ("general a head", "padded keys and queries", "float mask"),
    ],
    "dense": [
        ("softcap", "causal but not near", "all at once"),
        ("tanh a head", "documents", "tensor"),
        ("additive", "padded keys", "float mask"),
    ],
    "reference": [
        ("scaled", "causal but not near", "all at once"),
        ("softcap", "documents", "tensor"),
        ("cosine a head", "padded keys", "relative"),
    ],
}


def battery(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the suite holds this kernel to, in short: grid cells, many tiles, causal from 0, dropout, NaN."""
    row = cases.ROWS[kernel]
    monkeypatch.setattr(tiled, "expected", lambda request: False)
    for cell in CELLS[kernel]:
        asked = cases.asked(*cell)
        if kernel == "reference":
            hold_steps(asked)
            continue
        check(row, asked, truth(asked))
        if kernel == "dense":
            hold_slopes(asked)
    if kernel == "reference":
        return
    monkeypatch.setattr(tiles, "TILE_SCORES", 1)
    score = ScaledDot() if kernel != "additive" else cases.scores(torch.float64)["additive a head"]
    source = torch.Generator().manual_seed(1)
    shapes = ((1, 6, 19, 5), (1, 3, 137, 5), (1, 3, 137, 4))
    q, k, v = (2 * torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    for mask, start in ((Causal(), None), (Causal(), 0), (Dense(torch.arange(19 * 137).view(19, 137) % 3 > 0), None)):
        inputs = (t.detach().requires_grad_() for t in (q, k, v))
        asked = request(*inputs, score=score, mask=mask, query_start=start)
        check(row, asked, truth(asked))
    padded = Padding(torch.tensor([100]))
    true = truth(request(*(t.detach().requires_grad_() for t in (q, k, v)), score=score, mask=padded))
    spoilt = (t.index_fill(2, torch.arange(100, 137), torch.nan).requires_grad_() for t in (k, v))
    check(row, request(q.detach().requires_grad_(), *spoilt, score=score, mask=padded), true)
    if row.dropout:
        hold_dropout(kernel)


def hold_dropout(kernel: str) -> None:
    """With one seed, the gradient along a random direction is how fast the output changes along it."""
    asked = replace(cases.asked(*CELLS[kernel][0]), dropout=0.3)
    inputs = tuple(t.detach().to(torch.float64).requires_grad_() for t in asked.tensors())
    moves = [torch.randn(t.shape, dtype=torch.float64) for t in inputs]

    def total(step: float) -> Tensor:
        torch.manual_seed(3)
        moved = tuple(t + step * move for t, move in zip(inputs, moves, strict=True))
        return cases.ROWS[kernel].run(rebuilt(asked, moved))[0].square().sum()

    gradients = torch.autograd.grad(total(0.0), inputs)
    along = sum((g * move).sum() for g, move in zip(gradients, moves, strict=True))
    torch.testing.assert_close((total(1e-6) - total(-1e-6)) / 2e-6, along, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kernel", CELLS)
def test_without_a_fault_the_battery_passes(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    battery(kernel, monkeypatch)


@pytest.mark.parametrize(
    ("kernel", "patch"),
    [
        pytest.param(kernel, fault, id=f"{kernel}: {name}")
        for kernel in FAULTS
        for name, fault in FAULTS[kernel].items()
    ],
)
def test_every_fault_is_seen(kernel: str, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)
    with pytest.raises(AssertionError):
        battery(kernel, monkeypatch)


def test_every_row_of_the_table_that_runs_here_has_faults() -> None:
    assert set(FAULTS) == set(CELLS)
    faulted = {*FAULTS, *FAULTS_STRIPS, *FAULTS_FEW, *FAULTS_FOCUS}
    peers = {"policies"}  # each is held to plain loops of its own in tests/kernels/policies
    peers |= {"loops"}  # its faults are in tests/kernels/compiled/test_planted_few.py
    peers |= {"drawn"}  # runs only while a graph is drawn; held to the truth in tests/kernels/test_drawn.py
    assert {row.name for row in TABLE if "cpu" in row.devices} - faulted - peers == set()
