"""Random numbers of the front ends: one seed, one result; whole numbers within their bounds."""

from __future__ import annotations

import torch

from regard.nn.front_ends.draws import uniform, whole


def test_one_seed_one_result() -> None:
    torch.manual_seed(3)
    first = uniform(4, generator=None)
    torch.manual_seed(3)
    assert torch.equal(first, uniform(4, generator=None))
    assert torch.equal(first, uniform(4, generator=torch.Generator().manual_seed(3)))


def test_whole_numbers_reach_both_ends_and_no_further() -> None:
    generator = torch.Generator().manual_seed(1)
    drawn = torch.stack([whole(torch.tensor([1, 2, 5, 0]), generator=generator) for _ in range(400)])
    assert drawn.amin(0).tolist() == [0, 0, 0, 0]
    assert drawn.amax(0).tolist() == [0, 1, 4, 0]
    counts = drawn[:, 2].bincount()
    assert int(counts.min()) > 50  # 80 of each expected, deviation 8
