"""Few queries, by torch's products and by compiled loops: values that can be computed by hand."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import torch
from tests.optional_packages import package
from torch import Tensor

from regard.kernels import few
from regard.spec import Request, request

Run = Callable[[Request], tuple[Tensor, Tensor]]


@pytest.fixture(params=["products", "loops"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "products":
        return few.run
    package("numba", "regard[fast]")
    return importlib.import_module("regard.kernels.compiled.few").run


def test_by_hand(run: Run) -> None:
    """Scores 0, ln 3 and ln 4 weigh values 8, 16, 24 by 1/8, 3/8, 4/8: 19; the sum 8 is in the lse."""
    q, k = torch.ones(1, 1, 1, 1), torch.tensor([1.0, 3.0, 4.0]).log().view(1, 1, 3, 1)
    output, lse = run(request(q, k, torch.tensor([8.0, 16.0, 24.0]).view(1, 1, 3, 1)))
    assert output.item() == pytest.approx(19.0)
    assert lse.exp().item() == pytest.approx(8.0)


def test_half_types_are_summed_in_float32(run: Run) -> None:
    """4,096 equal weights of values 1 and 1 + 2^-7: a running sum in bfloat16 would stop at 256."""
    k = torch.zeros(1, 1, 4096, 8, dtype=torch.bfloat16)
    v = torch.ones(1, 1, 4096, 1, dtype=torch.bfloat16)
    v[:, :, ::2] += 2**-7
    output, lse = run(request(torch.ones(1, 1, 1, 8, dtype=torch.bfloat16), k, v))
    assert lse.item() == pytest.approx(8.317766166719343)  # ln 4096
    assert output.item() == pytest.approx(1 + 2**-8, abs=2**-8)


@pytest.mark.parametrize("shape", [(0, 2, 3, 5), (1, 2, 0, 5), (1, 2, 3, 0)])
def test_empty(run: Run, shape: tuple[int, int, int, int]) -> None:
    batch, heads, count, dim = shape
    q, k, v = torch.ones(shape), torch.ones(batch, heads, 4, dim), torch.ones(batch, heads, 4, 2)
    output, lse = run(request(q, k, v))
    assert output.shape == (batch, heads, count, 2)
    assert torch.equal(output, torch.ones_like(output))
    assert torch.allclose(lse, torch.full_like(lse, 4.0).log())  # without dimensions every score is 0


def test_no_key_at_all(run: Run) -> None:
    output, lse = run(request(torch.ones(1, 2, 3, 5), torch.ones(1, 2, 0, 5), torch.ones(1, 2, 0, 2)))
    assert not output.any()
    assert torch.isneginf(lse).all()
