"""Planted errors in the kernels of `table_few`: each must turn a short battery of comparisons red."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.comparison import check, truth
from tests.faults import Patch
from tests.faults_few import FAULTS_FEW
from torch import Tensor

from regard.kernels import few, few_blocks, neighbourhood
from regard.kernels.row import Row
from regard.kernels.table_few import FEW_ROWS
from regard.spec import ALiBi, Causal, Dilated, Grid2D, Mask, Padding, Prefix, ScaledDot, SinkLogits, Window, request

ROWS = {row.name: row for row in FEW_ROWS}


def inputs(queries: int, keys: int) -> tuple[Tensor, Tensor, Tensor]:
    """2 items, 4 heads on 2 key heads, dims 5 and 3."""
    source = torch.Generator().manual_seed(1)
    shapes = ((2, 4, queries, 5), (2, 2, keys, 5), (2, 2, keys, 3))
    q, k, v = (2 * torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    return q.requires_grad_(), k.requires_grad_(), v.requires_grad_()


def battery(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    {"few": few_battery, "dilated": dilated_battery, "neighbourhood": neighbourhood_battery}[kernel](
        ROWS[kernel], monkeypatch
    )


def few_battery(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of 16 keys, each in two parts; scores of two runs at once; masks, biases, sink, softcap; NaN in padding."""
    monkeypatch.setattr(few_blocks, "BLOCK", 1)
    monkeypatch.setattr(few, "SEGMENT", 32 * 4 * 6)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)  # 4 lanes: keys in two parts
    bias = (ALiBi.for_heads(4), SinkLogits(torch.linspace(-1, 1, 4)))
    masks: tuple[Mask | None, ...] = (None, Causal(), Causal() & ~Window(20, 0) | Prefix(3))
    for mask in masks:
        asked = request(*inputs(3, 96), mask=mask, bias=bias, score=ScaledDot(softcap=5.0))
        check(row, asked, truth(asked, gradients=False), gradients=False)
    padded = request(*inputs(3, 96), mask=Padding(torch.tensor([96, 50])))
    key, value = padded.key.detach().clone(), padded.value.detach().clone()
    key[1, :, 50:], value[1, :, 50:] = torch.nan, torch.nan
    check(row, replace(padded, key=key, value=value), truth(padded, gradients=False), gradients=False)


def dilated_battery(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for mask in (Dilated(3, 7, 8), Dilated(3, 12, 6) & Causal(), Window(4, 4) & Dilated(2, 12, 12)):
        for queries, keys, start in ((17, 17, None), (7, 23, 5)):
            asked = request(*inputs(queries, keys), mask=mask, query_start=start)
            check(row, asked, truth(asked))


def neighbourhood_battery(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for numbers in (1, 1 << 24):
        monkeypatch.setattr(neighbourhood, "GATHERED", numbers)
        for height, width, start, count in ((11, 19, 0, 209), (12, 7, 14, 35)):
            asked = request(*inputs(count, height * width), mask=Grid2D(height, width, 2), query_start=start)
            check(row, asked, truth(asked))


@pytest.mark.parametrize("kernel", FAULTS_FEW)
def test_without_a_fault_the_battery_passes(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    battery(kernel, monkeypatch)


@pytest.mark.parametrize(
    ("kernel", "patch"),
    [
        pytest.param(kernel, fault, id=f"{kernel}: {name}")
        for kernel in FAULTS_FEW
        for name, fault in FAULTS_FEW[kernel].items()
    ],
)
def test_every_fault_is_seen(kernel: str, patch: Patch, monkeypatch: pytest.MonkeyPatch) -> None:
    patch(monkeypatch)
    with pytest.raises(AssertionError):
        battery(kernel, monkeypatch)


def test_every_row_has_faults() -> None:
    assert {*FAULTS_FEW, "loops"} == set(ROWS)  # those of the loops: compiled/test_planted_few.py
