"""The guard against what is not finite, on its own."""

from __future__ import annotations

import torch

from regard.kernels import guard
from regard.spec import Cosine, General


def test_finite_looks_at_every_entry_of_every_tensor() -> None:
    fine = torch.ones(3, 4)
    assert guard.finite(fine, torch.zeros(0), fine.half())
    for odd in (torch.nan, torch.inf, -torch.inf):
        assert not guard.finite(fine, fine.index_fill(0, torch.tensor(2), odd))
    assert not guard.finite(torch.tensor([torch.inf, -torch.inf]))


def test_a_sum_over_65504_is_finite_in_float16_too() -> None:
    assert guard.finite(torch.full((100,), 60_000.0, dtype=torch.float16))


def test_zeroed_and_broken() -> None:
    x = torch.tensor([[1.0, torch.nan], [2.0, 3.0], [-torch.inf, torch.inf]], requires_grad=True)
    assert guard.zeroed(x).tolist() == [[1.0, 0.0], [2.0, 3.0], [0.0, 0.0]]
    assert guard.broken(x).tolist() == [True, False, True]
    guard.zeroed(x).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


def test_prepared_shows_what_is_broken_and_takes_no_gradient_from_it() -> None:
    weight = torch.eye(2, requires_grad=True)
    q = torch.tensor([[[[1.0, 2.0], [torch.nan, 1.0]]]], requires_grad=True)
    k = torch.tensor([[[[torch.inf, 0.0], [3.0, 4.0]]]], requires_grad=True)
    made = guard.prepared(General(weight), q, k)
    assert torch.isnan(made.query[0, 0, 1]).all()
    assert made.query[0, 0, 0].tolist() == [1.0, 2.0]
    assert made.key.tolist() == k.tolist()
    made.query.sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    cosine = guard.prepared(Cosine(1.0), k.detach(), k)
    torch.testing.assert_close(cosine.key[0, 0, 1], torch.tensor([0.6, 0.8]))
    assert torch.isnan(cosine.key[0, 0, 0]).any()
