"""The exact flow of weight between any region of queries and any region of keys, at any zoom."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from regard.engine.observe import flow
from regard.spec.errors import ShapeError, SpecError
from regard.spec.request import Request
from regard.spec.value import described

Kept: TypeAlias = "Request | Sequence[Request]"

BINS = (64, 64)


@dataclass(frozen=True, eq=False)
class Region:
    """flow: (batch, heads, rows, cols), float32 or better: the sum of the weights from the queries [row_edges[r],
    row_edges[r + 1]) to the keys [col_edges[c], col_edges[c + 1]); nothing is sampled or left out. Weights are those
    of the whole rows, so that a region holds a part of each query's 1. row_edges, col_edges: int64. heads: indices."""

    flow: Tensor
    row_edges: Tensor
    col_edges: Tensor
    heads: tuple[int, ...]

    def means(self) -> Tensor:
        """The flow a query: `flow` by the number of queries in each row, (batch, heads, rows, cols)."""
        return self.flow / self.row_edges.diff()[:, None]


def region(
    kept: Kept | Callable[[], Kept],
    *,
    queries: range | None = None,
    keys: range | None = None,
    bins: tuple[int, int] = BINS,
    head: int | Sequence[int] | None = None,
    lse: Tensor | None = None,
) -> Region:
    """How much weight flows from each bin of `queries` to each bin of `keys`.

        with watch(model, keep=True) as seen:
            model(ids)
        region(seen.calls["layers.3.attn"], queries=range(4000, 4100), bins=(100, 64), head=2)

    kept: the call as a `Request` (which keeps q and k); or several, in order, whose queries follow each other on one
    axis (the steps of a generation, each with as many keys as there were by then); or a function that runs the model
    again and gives either. queries, keys: ranges on those axes, default all. bins: (rows, cols), cut evenly, never
    more than there are queries or keys: bins=(len(queries), len(keys)) shows single weights. head: an index, several,
    or all.

    Costs the scores of these queries with all keys, once for each row's sum and once for the region, or the region
    alone where `lse` (batch, heads, query_len) of a single request is given. Memory as for a tile.

    Raises:
        SpecError: a range that is empty, has steps or leaves the axis; bins below 1; a head that is not there; `lse`
            beside several requests.
        ShapeError: several requests of different batch or heads, or `lse` of another shape.
    """
    calls = _calls(kept)
    _check_lse(lse, calls)
    lengths = [call.place.query_len for call in calls]
    rows = _inside("queries", queries, sum(lengths))
    cols = _inside("keys", keys, max(call.place.key_len for call in calls))
    if len(bins) != 2 or any(not isinstance(count, int) or count < 1 for count in bins):
        raise SpecError(f"bins={described(bins)}: expected (rows, cols), both at least 1")
    heads = _heads(head, calls[0].place.heads)
    bins = (min(bins[0], len(rows)), min(bins[1], len(cols)))
    start = 0
    for call, length in zip(calls, lengths, strict=True):
        if start <= rows.start and rows.stop <= start + length and cols.stop <= call.place.key_len:
            return _of_one(call, start, rows, cols, bins, heads, lse)
        start += length
    return _of_several(calls, rows, cols, bins, heads)


def _calls(kept: Kept | Callable[[], Kept]) -> list[Request]:
    given = kept() if callable(kept) else kept
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    calls = [call for call in listed if isinstance(call, Request)]
    if not calls or len(calls) < len(listed):
        raise SpecError(
            f"region({described(given)}): expected a regard Request, several, or a function that gives them; "
            "watch(model, keep=True) keeps them"
        )
    shapes = {(call.place.batch, call.place.heads) for call in calls}
    if len(shapes) > 1:
        raise ShapeError(f"requests of different (batch, heads) {sorted(shapes)}: expected the calls of one layer")
    return calls


def _check_lse(lse: Tensor | None, calls: Sequence[Request]) -> None:
    if lse is None:
        return
    if len(calls) > 1:
        raise SpecError(f"lse is given beside {len(calls)} requests: expected one request, or no lse")
    place = calls[0].place
    expected = (place.batch, place.heads, place.query_len)
    if tuple(lse.shape) != expected:
        raise ShapeError(f"lse is {tuple(lse.shape)}, expected (batch, heads, query_len) = {expected}")


def _inside(name: str, given: range | None, length: int) -> range:
    if given is None:
        given = range(length)
    if not isinstance(given, range) or given.step != 1 or not 0 <= given.start < given.stop <= length:
        raise SpecError(f"{name}={described(given)}: expected a range of at least one, step 1, inside range({length})")
    return given


def _heads(head: int | Sequence[int] | None, count: int) -> tuple[int, ...]:
    if head is None:
        return tuple(range(count))
    heads = (head,) if isinstance(head, int) else tuple(head)
    if not heads or any(isinstance(one, bool) or not 0 <= one < count for one in heads):
        raise SpecError(f"head={described(head)}: expected one of the heads 0 to {count - 1}, or several")
    return heads


def _of_one(
    call: Request,
    start: int,
    rows: range,
    cols: range,
    bins: tuple[int, int],
    heads: tuple[int, ...],
    lse: Tensor | None,
) -> Region:
    """`start`: the place of the call's first query on the axis of queries."""
    own = range(rows.start - start, rows.stop - start)
    total, row_edges, col_edges = flow(call, bins=bins, heads=heads, queries=own, keys=cols, lse=lse)
    return Region(total, row_edges + start, col_edges, heads)


def _of_several(
    calls: Sequence[Request], rows: range, cols: range, bins: tuple[int, int], heads: tuple[int, ...]
) -> Region:
    """Each call gives the flow to every key of the range; keys are added up into bins here, as calls differ in keys."""
    row_edges, col_edges = _edges(rows, bins[0]), _edges(cols, bins[1])
    bin_of_key = torch.bucketize(torch.arange(cols.start, cols.stop), col_edges[1:], right=True)
    total = torch.zeros(calls[0].place.batch, len(heads), *bins)
    start = 0
    for call in calls:
        there = range(cols.start, min(cols.stop, call.place.key_len))
        for place in range(bins[0]):
            first = max(int(row_edges[place]), start) - start
            last = min(int(row_edges[place + 1]), start + call.place.query_len) - start
            if first < last and there:
                own = range(first, last)
                part, _, _ = flow(call, bins=(1, len(there)), heads=heads, queries=own, keys=there)
                total[:, :, place].index_add_(2, bin_of_key[: len(there)], part[:, :, 0].to(total))
        start += call.place.query_len
    return Region(total, row_edges, col_edges, heads)


def _edges(places: range, count: int) -> Tensor:
    """int64 (count + 1,), as even as whole numbers allow."""
    return torch.tensor([places.start + len(places) * edge // count for edge in range(count + 1)])
