"""The flow of one head in one region, at the price of that region: where a mask goes by distance alone, the call is
cut to the region's queries and keys, so that nothing is prepared for those outside of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from regard.lens.maps import region
from regard.spec.request import Request, request

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Flow:
    """weights: (rows, cols), the weight that flows from each bin of queries to each bin of keys. rows, cols: the bins'
    edges, one more than there are bins."""

    weights: Floats
    rows: Places
    cols: Places


def flow(
    calls: Sequence[Request], lse: Tensor | None, *, head: int, queries: range, keys: range, bins: tuple[int, int]
) -> Flow:
    """calls, lse: of one layer, as a look keeps them. queries, keys: neither is empty."""
    own: dict[str, Any] = {"bins": bins}
    first = calls[0]
    if len(calls) > 1 or lse is None or not _by_distance(first):
        made = region(calls, queries=queries, keys=keys, head=head, lse=lse, **own)
        return Flow(made.flow[0, 0].double().numpy(), made.row_edges.numpy(), made.col_edges.numpy())
    part = _part(first, head, queries, keys)
    made = region(part, lse=lse[:, head : head + 1, queries.start : queries.stop], **own)
    weights = made.flow[0, 0].double().numpy()
    return Flow(weights, made.row_edges.numpy() + queries.start, made.col_edges.numpy() + keys.start)


def _by_distance(asked: Request) -> bool:
    """Whether a query's weight on a key depends on the two and on how far they are apart, and on nothing else."""
    learned = asked.biases or asked.sink is not None or list(asked.score.tensors())
    return not learned and (asked.mask is None or asked.mask.relative)


def _part(asked: Request, head: int, queries: range, keys: range) -> Request:
    """The queries of one head on these keys, as far apart as they were."""
    key_head = head // asked.groups
    key = asked.key[:1, key_head : key_head + 1, keys.start : keys.stop]
    return request(
        asked.query[:1, head : head + 1, queries.start : queries.stop],
        key,
        key,
        score=asked.score,
        mask=asked.mask,
        query_start=asked.place.query_start + queries.start - keys.start,
    )
