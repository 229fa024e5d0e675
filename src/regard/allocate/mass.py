"""Mass received by every key of a cache, from the queries of one call: exact, tile by tile, never query x key."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.kernels import row_sums, second_pass, tallies
from regard.spec.request import Request

BLOCKS = 8  # to a half-life: the queries of a block weigh the same, at most 9 % off
FAINT = 10  # half-lives after which a query is not counted: it would weigh less than a thousandth


@torch.no_grad()
def received(asked: Request, *, half_life: float | None = None, lse: Tensor | None = None) -> Tensor:
    """(batch, kv_heads, key_len) float32 or better: the sum over queries, and over the query heads that share a key
    head, of the weight each key got. With `half_life`, in queries, a query weighs 2 ** -(how many came later /
    half_life), by blocks of an eighth of it. `lse` (batch, heads, query_len) saves a pass where it is known."""
    place, kind = asked.place, asked.query.device.type
    heads, queries = tuple(range(place.heads)), torch.arange(place.query_len)
    lse = None if torch.is_autocast_enabled(kind) else lse  # it would be made of rounded scores
    with torch.autocast(kind, enabled=False):
        ready = second_pass.made(asked)
        counted = queries if half_life is None else queries[-int(FAINT * half_life) - 1 :]
        if lse is None:
            lse = row_sums.lse(asked, ready, counted, heads)
        lse = lse.to(ready.query.dtype)
        total = ready.query.new_zeros(place.batch, place.heads, place.key_len)
        for block, weight in _blocks(counted, half_life):
            tally = tallies.Received(ready.query, place.batch, place.heads, place.key_len, squares=False)
            second_pass.run(asked, ready, lse, [tally], queries=block, heads=heads, keys=place.cols)
            total.add_(tally.total, alpha=weight)
        return total.view(place.batch, -1, asked.groups, place.key_len).sum(2)


def faded(count: int, half_life: float | None) -> float:
    """By what mass received before is to be multiplied when `count` queries have come since."""
    return 1.0 if half_life is None else 2 ** (-count / half_life)


def possible(ages: Tensor, half_life: float | None) -> Tensor:
    """How many queries, each weighing what it does in `received`, could give mass to a key that came `ages` tokens ago
    (1 for the latest key, which its own query sees)."""
    if half_life is None:
        return ages
    return (1 - 2 ** (-ages / half_life)) / (1 - 2 ** (-1 / half_life))


def _blocks(queries: Tensor, half_life: float | None) -> list[tuple[Tensor, float]]:
    """(queries, their weight), the last query's being 1."""
    if half_life is None:
        return [(queries, 1.0)]
    count, size = len(queries), max(1, int(half_life / BLOCKS))
    return [(queries[max(0, stop - size) : stop], faded(count - stop, half_life)) for stop in range(count, 0, -size)]
