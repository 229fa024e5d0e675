"""What the compiled loops for few queries take, and that nothing is loaded before it is needed."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

import regard
from regard.kernels import loops
from regard.kernels.loops import MOST, fits
from regard.kernels.table_few import few_cost, loops_cost
from regard.spec import ALiBi, Bias, RelativeBias, Request, SinkLogits, TensorBias, request


def asked(queries: int = 1, bias: tuple[Bias, ...] = ()) -> Request:
    return request(torch.ones(1, 2, queries, 4), torch.ones(1, 2, 80, 4), torch.ones(1, 2, 80, 3), bias=bias)


@pytest.fixture
def _there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "installed", lambda: True)


@pytest.mark.usefixtures("_there")
def test_what_it_takes() -> None:
    assert fits(asked()) is None
    assert fits(asked(MOST, (ALiBi.for_heads(2), SinkLogits(torch.ones(2))))) is None
    assert fits(asked(MOST + 1)) == "is made for at most 64 queries, got 65"
    for bias in (TensorBias(torch.zeros(1, 80)), RelativeBias(torch.zeros(2, 3))):
        assert fits(asked(bias=(bias,))) == "takes no bias but ALiBi and sink logits"


@pytest.mark.usefixtures("_there")
def test_what_is_being_traced_is_left_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert fits(asked()) == "cannot be traced by torch.compile"


def test_without_numba_the_plan_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "installed", lambda: False)
    q, k = torch.ones(1, 1, 1, 4), torch.ones(1, 1, 80, 4)
    assert "not loops:       needs numba: pip install 'regard[fast]'" in str(regard.plan(q, k, k))


def test_gradients_are_left_to_others() -> None:
    q, k = torch.ones(1, 1, 1, 4, requires_grad=True), torch.ones(1, 1, 80, 4)
    with pytest.raises(regard.KernelError, match="has no gradient"):
        regard.attend(q, k, k, kernel="loops")
    assert regard.plan(q, k, k).kernel != "loops"


def test_the_cost_is_of_the_keys_in_reach_read_once() -> None:
    cost, other = loops_cost(asked(3)), few_cost(asked(3))
    assert (cost.bytes, cost.flops, cost.cells, cost.steps) == (other.bytes, other.flops, other.cells, 0.0)


def test_numba_is_not_loaded_before_it_is_needed() -> None:
    code = (
        "import regard, sys, torch; q, k = torch.ones(1, 1, 1, 4), torch.ones(1, 1, 80, 4); regard.plan(q, k, k); "
        "assert not {'numba', 'llvmlite'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
