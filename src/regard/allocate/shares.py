"""Which keys stay, and how many each key head gets of a common number of them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from regard.allocate.eviction import Eviction
from regard.allocate.storage import Mass

KEPT, NEVER = float("inf"), -1.0  # worth of a key that stays whatever it received, and of padding


def worth(eviction: Eviction, mass: Mass, size: int) -> Tensor:
    """(batch, keys): what each key of one head is worth. `size`: what an even share would be, of which the first and
    the latest keys are spared; padding may stand before and behind an item's tokens."""
    judged, real = _JUDGES[eviction.by](mass), mass.real
    if eviction.pool > 1:
        side = eviction.pool // 2
        judged = avg_pool1d(judged[:, None], eviction.pool, 1, side, count_include_pad=False)[:, 0]
    first, latest = eviction.spared(size)
    latest = max(latest, mass.late)
    if real is None:
        judged[:, :first] = KEPT
        judged[:, judged.shape[1] - latest :] = KEPT
        return judged
    rank = real.cumsum(1)  # 1 for an item's first token
    spared = (rank <= first) | (rank > rank[:, -1:] - latest)
    return judged.masked_fill_(spared, KEPT).masked_fill_(~real, NEVER)


def chosen(worth: Tensor, size: int) -> Tensor:
    """(batch, size) int64, ascending: the places of the keys that are worth most; of equals, the earlier ones."""
    order = torch.sort(worth, dim=1, descending=True, stable=True).indices
    return order[:, :size].sort(1).values


def filled(eviction: Eviction, worths: list[Tensor], size: int) -> list[int]:
    """How many keys each head gets, `size` each on average, so that what is lost is least: keys go to whichever head
    they are worth most to, one after another, beyond what no head falls below.

    `worths`: for each head, (batch, keys). Items of a batch share their sizes: a head's n-th key is worth the mean over
    the items of what each item's n-th best key is worth to it.
    """
    floor = max(sum(eviction.spared(size)), round(eviction.least * size))
    floors = [min(floor, worth.shape[1]) for worth in worths]
    left = sum(min(size, worth.shape[1]) for worth in worths) - sum(floors)
    gains = [worth.sort(1, descending=True).values[:, low:] for worth, low in zip(worths, floors, strict=True)]
    means = [gain.clamp_(min=0).mean(0) for gain in gains]
    heads = torch.repeat_interleave(torch.arange(len(means)), torch.tensor([len(mean) for mean in means]))
    best = torch.sort(torch.cat(means), descending=True, stable=True).indices[:left]
    counts = torch.bincount(heads[best.cpu()], minlength=len(means))
    return [low + int(count) for low, count in zip(floors, counts, strict=True)]


def _random(mass: Mass) -> Tensor:
    """In [0, 1), the same at each call for as many keys."""
    shape = mass.received.shape
    return torch.rand(shape, generator=torch.Generator().manual_seed(shape[1])).to(mass.received)


_JUDGES: dict[str, Callable[[Mass], Tensor]] = {
    "received": lambda mass: mass.received / mass.queries,
    "total": lambda mass: mass.received.clone(),
    "random": _random,
}
