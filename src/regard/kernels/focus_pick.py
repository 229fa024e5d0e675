"""Which keys a query reads one by one.

Shapes as in kernels/focus_look.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.focus_allotted import Allotted
from regard.spec.errors import KernelError
from regard.spec.policy import Focus

LOWEST = torch.finfo(torch.float32).min
FORCED, FIRST, LATEST = 3e38, 2e38, 1e38  # ranks above all weights: what is read in any case, and in which order
NEXT = (
    2.0**104
)  # between the ranks of one key and the next, where not all of them fit: the smallest step at 1e38 and up
LONG = 1 << 14  # keys from which a threshold is sought first
SAMPLE = 1 << 11  # keys that it is taken from
SPARE = 1.15  # times as many as are wanted should lie above it


@dataclass(frozen=True, eq=False)
class Picked:
    """keys: int64 (lanes, rows, k), each once. valid: bool alike: within the budget, and allowed."""

    keys: Tensor
    valid: Tensor


def picked(weights: Tensor, policy: Focus, allotted: Allotted, allowed: Tensor | None, whole: Tensor | None) -> Picked:
    """The keys to read: those of blocks that may be seen in part, the first, the latest, then those of most weight.

    weights: (lanes, rows, groups, keys), by the sketch. allotted: how many. allowed: (lanes or 1, rows, keys), whole:
    (lanes or 1, rows, blocks), both None where all keys are allowed.

    Raises `KernelError` where there are more keys in partly allowed blocks than may be read.
    """
    single = weights.shape[2] == 1
    ranks = weights[:, :, 0].clone() if single else (weights / weights.sum(-1, keepdim=True)).sum(2)
    most, latest = allotted.most, allotted.latest[..., None]
    if allowed is None or whole is None:
        ranks.masked_fill_(torch.arange(ranks.shape[-1], device=ranks.device) >= ranks.shape[-1] - latest, LATEST)
        ranks[..., : policy.first] = FIRST
    else:
        _masked(ranks, policy, most, latest, allowed, whole)
    count = min(ranks.shape[-1], max(0, allotted.largest))
    keys, values = _largest(ranks, count, ordered=not allotted.same)
    within = torch.arange(count, device=ranks.device) < most[..., None]
    return Picked(keys, within & (values >= 0))


def outnumbered(policy: Focus) -> KernelError:
    """What is said where more keys must be read than may be."""
    return KernelError(
        "the mask leaves more keys outside of whole blocks than the budget can read one by one: give more, or a "
        f"finer grain than {policy.grain}"
    )


def _masked(ranks: Tensor, policy: Focus, most: Tensor, latest: Tensor, allowed: Tensor, whole: Tensor) -> None:
    order = allowed.cumsum(-1, dtype=torch.int32)
    nearer = order.float() * NEXT
    ranks.copy_(torch.where(order > order[..., -1:] - latest, LATEST + nearer, ranks))
    ranks.copy_(torch.where(order <= policy.first, FIRST - nearer, ranks))
    forced = allowed & ~whole.repeat_interleave(policy.grain, -1)
    if bool((forced.sum(-1) > most).any()):
        raise outnumbered(policy)
    ranks.masked_fill_(forced, FORCED).masked_fill_(~allowed, -1)


def _largest(ranks: Tensor, count: int, *, ordered: bool) -> tuple[Tensor, Tensor]:
    """(keys, ranks) of the `count` largest. torch.topk looks at a long row many times: a threshold comes first."""
    if ranks.shape[-1] < LONG or count * 4 > ranks.shape[-1] or not count:
        values, keys = ranks.topk(count, sorted=ordered)
        return keys, values
    sample = ranks[..., :: ranks.shape[-1] // SAMPLE]
    wanted = min(sample.shape[-1] - 1, int(SPARE * count * sample.shape[-1] / ranks.shape[-1]) + 8)
    above = ranks >= sample.topk(wanted, sorted=True).values[..., -1:]
    counts = above.flatten(0, 1).sum(-1)
    if int(counts.min()) < count:  # the sample was misleading, or ranks are alike
        values, keys = ranks.topk(count, sorted=ordered)
        return keys, values
    lane, key = above.flatten(0, 1).nonzero(as_tuple=True)
    place = torch.arange(len(key), device=key.device) - (counts.cumsum(0) - counts)[lane]
    candidates = torch.zeros(len(counts), int(counts.max()), dtype=torch.int64, device=key.device)
    candidates[lane, place] = key
    scores = torch.full(candidates.shape, -2.0, dtype=ranks.dtype, device=key.device)
    scores[lane, place] = ranks.flatten(0, 1)[lane, key]
    values, index = scores.topk(count, sorted=ordered)
    shape = (*ranks.shape[:2], count)
    return candidates.gather(-1, index).view(shape), values.view(shape)
