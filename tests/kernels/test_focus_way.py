"""Which way a look is computed, and that nothing is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from tests.focus_cases import HALF, asked, call
from tests.focus_ways import only

import regard
from regard.kernels import focus_look, focus_way
from regard.kernels.focus_way import WAYS, told, way
from regard.kernels.policies import spend

CPU = torch.device("cpu")


@pytest.mark.parametrize("there", [True, False])
def test_loops_where_numba_is_installed_else_torch(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focus_way, "_installed", lambda: there)
    assert way(CPU).name == ("numba" if there else "torch")
    assert told() == (
        "in compiled loops (numba)" if there else "by torch's operations; faster with numba: pip install 'regard[fast]'"
    )


def test_other_devices_and_what_is_being_traced_are_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(focus_way, "_installed", lambda: True)
    assert way(torch.device("meta")).name == "torch"
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert way(CPU).name == "torch"


def test_without_numba_a_budget_is_kept_by_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    made = call(asked())
    monkeypatch.setattr(focus_way, "_installed", lambda: False)
    found = spend(made.request, HALF, made.sketch)
    only("torch", monkeypatch)
    assert torch.equal(found.output, spend(made.request, HALF, made.sketch).output)


def test_the_last_way_takes_everything() -> None:
    assert [each.name for each in WAYS] == ["numba", "torch"]
    assert WAYS[-1].looked is focus_look.looked
    assert WAYS[-1].takes(torch.device("meta"))


def test_numba_is_not_loaded_before_it_is_needed() -> None:
    code = "import regard, sys; import regard.kernels.table; assert not {'numba', 'llvmlite'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_plan_says_which() -> None:
    made = regard.plan(torch.zeros(1, 1, 1, 8), *(torch.zeros(1, 1, 256, 8),) * 2, budget=HALF, kernel="focus")
    assert f"at most 16 queries; on a CPU {told()}" in str(made)
