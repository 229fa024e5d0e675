"""Which keys a query reads when the error of its output is to be known: each with a chance that is known.

Keys are drawn one by one, each with its own probability (Poisson sampling; Hajek 1964), in proportion to its weight by
the sketch; the heaviest reach 1, and are the focus. One number between 0 and 1 belongs to each key for the whole call:
when the probabilities grow, what was drawn stays drawn.

Shapes: rows = queries of all lanes, n keys in the sketch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

UNIFORM = 0.1  # of the draws go to all keys alike: the sketch may underrate any


@dataclass(frozen=True, eq=False)
class Chances:
    """What decides the probabilities of some rows, however many keys they read."""

    size: Tensor  # float64 (rows, n): in proportion to which keys are drawn; 0 where read in any case, or not allowed
    always: Tensor  # bool (rows, n)
    behind: Tensor  # (rows, n): how many allowed keys there are from this one on, 0 where it may not be seen
    latest: float  # the share of the reading kept for the latest keys
    sums: Tensor  # float64 (rows, n + 1): of the sizes, but the 0, 1, 2 .. largest
    falling: Tensor  # float64 (rows, n): sizes, the largest first

    @classmethod
    def of(cls, weights: Tensor, allowed: Tensor, whole: Tensor, doubted: Tensor, first: int, latest: float) -> Chances:
        """weights (rows, groups, n), by the sketch, 0 where not allowed; allowed (rows, n); whole (rows, n): of a block
        whose keys may all be seen; doubted (rows, n): it may weigh much, whatever the sketch says. first: allowed keys
        that are always read, as are those that are doubted or of no whole block."""
        shares = weights.double() / weights.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        size = shares.square().sum(1).sqrt()  # of a group's heads the one that needs a key most decides
        size = size / size.sum(-1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        size = size * (1 - UNIFORM) + UNIFORM / allowed.sum(-1, keepdim=True).clamp_min(1)
        order = allowed.cumsum(-1)
        always = allowed & (~whole | doubted | (order <= first))
        size = size.masked_fill(always | ~allowed, 0)
        falling = size.sort(-1, descending=True).values
        sums = falling.flip(-1).cumsum(-1).flip(-1)
        behind = (order[:, -1:] - order + 1).masked_fill(~allowed, 0)
        return cls(size, always, behind, latest, torch.nn.functional.pad(sums, (0, 1)), falling)

    def rows(self, index: Tensor) -> Chances:
        """Of some of the rows."""
        parts = (self.size, self.always, self.behind)
        size, always, behind = (part[index] for part in parts)
        return Chances(size, always, behind, self.latest, self.sums[index], self.falling[index])

    def at(self, count: Tensor) -> Tensor:
        """(rows, n) float32 probabilities that sum to about `count` (rows), and never fall as it grows."""
        late = (self.behind > 0) & (self.behind <= (count * self.latest).floor()[:, None])
        left = (count * (1 - self.latest) - self.always.sum(-1)).clamp_min(1)[:, None]
        certain = torch.arange(self.size.shape[1], device=left.device)
        # with the j largest certain, the others share what is left in proportion: right for the first j that gives no
        # other key more than 1
        slope = (left - certain).clamp_min(0) / self.sums[:, :-1].clamp_min(torch.finfo(torch.float64).tiny)
        first = (slope * self.falling <= 1).to(torch.uint8).argmax(-1, keepdim=True)
        everything = count[:, None] >= (self.behind > 0).sum(-1, keepdim=True)
        found = torch.where(everything, (self.size > 0).double(), (slope.gather(-1, first) * self.size).clamp_max(1))
        return found.masked_fill(self.always | late, 1).float()


def numbers(rows: int, n: int, seed: tuple[int, ...], device: torch.device) -> Tensor:
    """(rows, n) from 0 to below 1, the same for the same sizes; torch's own random numbers are left alone."""
    generator = torch.Generator()
    mixed = 0
    for each in seed:
        mixed = (mixed * 1_000_003 + each + 1) % (1 << 62)
    return torch.rand(rows, n, generator=generator.manual_seed(mixed)).to(device)


def drawn(chances: Tensor, dice: Tensor) -> tuple[Tensor, Tensor]:
    """(keys int64 (rows, k), valid bool alike): those whose number lies below their chance."""
    read = dice < chances
    count = int(read.sum(-1).max()) if read.numel() else 0
    values, keys = read.to(torch.uint8).topk(count, sorted=True)
    return keys, values > 0
