"""A part of a request as a request: some of its queries, some of its key heads; views of its tensors, no copies."""

from __future__ import annotations

from dataclasses import replace

from regard.engine.seam_cut import fitted, over
from regard.spec.bias import SinkLogits
from regard.spec.budget import Budget
from regard.spec.mask import Both, Either, Mask, Not
from regard.spec.membership import Dense
from regard.spec.place import Place
from regard.spec.positional import Causal, Dilated, Grid2D, Prefix, Sinks, Window
from regard.spec.request import Request

_TOGETHER = 64  # queries whose mask is written out at once
_BY_POSITION = (Causal, Window, Sinks, Prefix, Dilated, Grid2D)  # they ask where a query stands, not which it is


def reduced(request: Request) -> Request:
    """The request over the keys that its queries can reach, without the parts of its mask that forbid nothing."""
    return request if request.mask is None else over(request, *fitted(request.mask, request.place))


def each_key(request: Request) -> float:
    """Bytes of one key of one key head with its value, at 16 bits a number."""
    return Budget(fraction=1.0).bytes(1, request.key.shape[3], request.value.shape[3])


def pairs(request: Request) -> float:
    """How many keys all queries together may attend to, over the batch, as a mean over heads."""
    place, mask = request.place, request.mask
    if mask is None:
        return float(place.batch * place.query_len * place.key_len)
    found = 0.0
    for start in range(0, place.query_len, _TOGETHER):
        rows = range(start, min(start + _TOGETHER, place.query_len))
        tile = mask.tile(rows, place.cols, place)
        told = tile.expand(*tile.shape[:-2], len(rows), place.key_len)
        # an axis of 1, or none, stands for one that repeats
        found += float(told.sum()) * place.batch * place.heads / max(1, told[..., 0, 0].numel())
    return found / place.heads


def at_rows(request: Request, rows: range) -> Request:
    """The queries `rows` alone, at the positions that they had, over the keys that they can reach.

    For requests without biases, which would have to be cut as well.
    """
    place = request.place
    moved = replace(place, query_len=len(rows), query_start=place.query_start + rows.start)
    mask = None if request.mask is None else _of_rows(request.mask, rows, place)
    return reduced(replace(request, query=request.query[:, :, rows.start : rows.stop], mask=mask, place=moved))


def at_heads(request: Request, heads: range) -> Request:
    """The key heads `heads` alone, with the query heads that share them.

    For requests without biases, and whose score has no tensors of its own.
    """
    if len(heads) == request.key.shape[1]:
        return request
    groups = request.groups
    own = range(heads.start * groups, heads.stop * groups)
    return replace(
        request,
        query=request.query[:, own.start : own.stop],
        key=request.key[:, heads.start : heads.stop],
        value=request.value[:, heads.start : heads.stop],
        mask=None if request.mask is None else _of_heads(request.mask, own),
        sink=None if request.sink is None else SinkLogits(request.sink.per_head[own.start : own.stop]),
        place=replace(request.place, heads=len(own)),
    )


def _of_rows(mask: Mask, rows: range, place: Place) -> Mask:
    if isinstance(mask, _BY_POSITION):
        return mask
    if isinstance(mask, (Both, Either)):
        return type(mask)(_of_rows(mask.left, rows, place), _of_rows(mask.right, rows, place))
    if isinstance(mask, Not):
        return Not(_of_rows(mask.inner, rows, place))
    tile = mask.tile(rows, place.cols, place)  # a few rows: written out they are as long as the keys
    return Dense(tile.expand(*tile.shape[:-2], len(rows), place.key_len))


def _of_heads(mask: Mask, heads: range) -> Mask:
    if isinstance(mask, (Both, Either)):
        return type(mask)(_of_heads(mask.left, heads), _of_heads(mask.right, heads))
    if isinstance(mask, Not):
        return Not(_of_heads(mask.inner, heads))
    if isinstance(mask, Dense) and mask.extent()[1] > 1:
        return Dense(mask.allowed[:, heads.start : heads.stop])
    return mask
