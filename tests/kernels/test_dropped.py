"""What dropout keeps: how often, how much of it, by which seed."""

from __future__ import annotations

import pytest
import torch

from regard.kernels.dropped import kept


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999])
def test_a_weight_is_dropped_or_grows(share: float, dtype: torch.dtype) -> None:
    """Of 40,001 weights (an odd number: two come of each draw), the share dropped to within 4 deviations."""
    weights = torch.ones(40_001, dtype=dtype)
    found = kept(weights, share, torch.Generator().manual_seed(1))
    assert (found.shape, found.dtype) == (weights.shape, dtype)
    assert set(found.tolist()) <= {0.0, (torch.ones((), dtype=dtype) * (1 / (1 - share))).item()}
    deviation = (share * (1 - share) / 40_001) ** 0.5
    assert abs(float((found == 0).double().mean()) - share) <= 4 * deviation


def test_neighbours_are_drawn_apart() -> None:
    """Both halves of a draw, and both halves of the tensor, agree in half of all places where half are dropped."""
    found = kept(torch.ones(2, 10_000), 0.5, torch.Generator().manual_seed(2)) != 0
    for left, right in ((found[0], found[1]), (found[:, ::2], found[:, 1::2])):
        assert abs((left == right).double().mean() - 0.5) < 4 * (0.25 / 10_000) ** 0.5


def test_the_source_decides() -> None:
    weights = torch.ones(3, 7)
    first, again = (kept(weights, 0.5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again)
    torch.manual_seed(4)
    plain = kept(weights, 0.5)
    torch.manual_seed(4)
    assert torch.equal(kept(weights, 0.5), plain)
    assert not torch.equal(first, plain)
    assert kept(torch.ones(0, 3), 0.5).shape == (0, 3)
