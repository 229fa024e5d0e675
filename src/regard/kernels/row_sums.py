"""The lse of every query, where the kernel that made the output kept it to itself."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from regard.kernels import layout, log_weights, online
from regard.kernels.log_weights import CELLS, LOW, LogWeights
from regard.kernels.sink import with_sink
from regard.spec.request import Request

WIDTH = 1024  # keys in a tile
LOWEST = 256  # queries in a chunk: no more than they see keys, but these at least


def lse(request: Request, made: online.Made, queries: Tensor, heads: tuple[int, ...]) -> Tensor:
    """(batch, heads, query_len) for the `queries` and `heads` asked about; NaN elsewhere. A sink logit is in the sum.

    A running maximum and sum over tiles of scores (Milakov & Gimelshein 2018); -inf in an empty row.
    """
    place = request.place
    found = made.query.new_full((place.batch, place.heads, place.query_len), torch.nan)
    weights = LogWeights.of(request, made, None)
    height = min(CELLS // WIDTH, max(LOWEST, layout.reach(request)))
    for chunk in log_weights.chunks(queries, height, weights.span):
        spans = list(weights.spans(chunk, place.cols, WIDTH))
        for lane in log_weights.lanes(place, made.key.shape[1], heads):
            ready = weights.rows(lane, chunk)
            top = ready.new_full((len(lane.heads) * chunk.count, 1), -torch.inf)
            total = torch.zeros_like(top)
            for cols, answer in spans:
                top, total = _further(top, total, weights.tile(lane, chunk, ready, cols, answer))
            _write(found, (total.log2() + top) * math.log(2), lane, chunk)
    return with_sink(found[..., None], found, request.sink)[1]


def _further(top: Tensor, total: Tensor, tile: Tensor) -> tuple[Tensor, Tensor]:
    """The running maximum and sum (rows, 1) with one more tile of log2 scores (rows, cols) taken in."""
    higher = torch.maximum(top, tile.amax(-1, keepdim=True))
    higher = torch.where(higher < -LOW / 2, -torch.inf, higher)  # what is forbidden does not count
    shift = torch.where(torch.isneginf(higher), 0.0, higher)
    total = total * torch.exp2(top - shift) + tile.sub_(shift).exp2_().sum(-1, keepdim=True)
    return higher, total


def _write(found: Tensor, values: Tensor, lane: log_weights.Lane, chunk: log_weights.Chunk) -> None:
    rows = torch.arange(chunk.rows.start, chunk.rows.stop, device=found.device)
    rows = rows if chunk.picked is None else rows[chunk.picked]
    heads = torch.tensor(lane.heads, device=found.device)
    found[lane.batch, heads[:, None], rows] = values.view(len(lane.heads), chunk.count)
