"""Which weights dropout takes away (Srivastava et al. 2014, section 4; scaled while training, as in torch)."""

from __future__ import annotations

import torch
from torch import Tensor

_BITS = 32


def kept(weights: Tensor, share: float, source: torch.Generator | None = None) -> Tensor:
    """0 for a weight that is dropped, which happens to a `share` of them, and 1 / (1 - share) for one that stays.

    Of the shape, dtype and device of `weights`; drawn from `source`, or from torch's own generator. On a CPU each draw
    of 64 bits serves two weights, which takes a third of the time of `bernoulli_`; `share` is then kept to 2^-32.
    """
    if weights.device.type != "cpu":
        keep = torch.rand(weights.shape, generator=source, device=weights.device) >= share
    else:
        drawn = torch.empty(-(-weights.numel() // 2), dtype=torch.int64).random_(-(2**63), None, generator=source)
        least = round(share * 2**_BITS) - 2 ** (_BITS - 1)
        keep = drawn.view(torch.int32)[: weights.numel()].view(weights.shape) >= least
    return keep.to(weights.dtype).mul_(1 / (1 - share))
