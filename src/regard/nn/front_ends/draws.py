"""Random numbers for what happens in training alone: the same on every device for one seed."""

from __future__ import annotations

import torch
from torch import Tensor


def uniform(*shape: int, generator: torch.Generator | None) -> Tensor:
    """Numbers in [0, 1) on the generator's device; without one, of torch's own on the CPU (`torch.manual_seed`)."""
    device = torch.device("cpu") if generator is None else generator.device
    return torch.rand(shape, generator=generator, device=device)


def whole(below: Tensor, *, generator: torch.Generator | None) -> Tensor:
    """int64 of the shape of `below`: each from 0 to one less than there, all as likely; 0 where `below` is 0."""
    drawn = uniform(*below.shape, generator=generator).to(below.device, torch.float64)
    return torch.minimum((drawn * below).long(), (below - 1).clamp(min=0))
