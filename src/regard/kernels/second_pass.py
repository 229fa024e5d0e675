"""The pass over tiles of weights that follows the output: every tally sees every tile once, and none is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regard.kernels import additive, layout, log_weights, online, streaming
from regard.kernels.log_weights import CELLS, LogWeights
from regard.kernels.tallies import Piece, Tally
from regard.spec.request import Request

THREADS = 4  # a tile grows with the threads that share it, up to so many
# Rows of a tile for each thread, of two at most: with fewer the matrix product slows down, and torch's topk of 64
# columns takes a second thread from 513 rows up.
LEAST = 288
LOWEST = 256  # queries in a chunk: no more than they see keys, for a window's sake, but these at least


def made(request: Request) -> online.Made:
    """The request's queries and keys as tiles of scores want them, whatever its score."""
    return streaming.made(request) if request.score.dot_family else additive.made(request)


def run(
    request: Request,
    ready: online.Made,
    lse: Tensor,
    tallies: Sequence[Tally],
    *,
    queries: Tensor,
    heads: tuple[int, ...],
    keys: range,
) -> None:
    """Show the tallies the weights of `queries` (int64, ascending) and `heads` on `keys`. `lse` (batch, heads,
    query_len) is over all keys, with the sink's logit if there is one; `ready` comes from `made`."""
    width = max(tally.width for tally in tallies)
    with torch.no_grad():
        weights = LogWeights.of(request, ready, lse)
        lanes = log_weights.lanes(request.place, ready.key.shape[1], heads)
        shared = max((len(lane.heads) for lane in lanes), default=1)
        threads = min(torch.get_num_threads(), THREADS)
        cells = max(CELLS * threads, LEAST * min(threads, 2) * width)
        scratch = _scratch(ready.query, min(max(cells, shared * width), shared * len(keys) * len(queries)))
        height = min(max(1, cells // (shared * width)), max(LOWEST, layout.reach(request)))
        for chunk in log_weights.chunks(queries, height, weights.span):
            rows = [weights.rows(lane, chunk) for lane in lanes]
            for cols, answer in weights.spans(chunk, keys, width):
                for lane, own in zip(lanes, rows, strict=True):
                    logs = weights.tile(lane, chunk, own, cols, answer)
                    shown = torch.exp2(logs, out=scratch[: logs.numel()].view(logs.shape))
                    piece = Piece(lane, chunk, cols, logs, shown)
                    for tally in tallies:
                        tally.add(piece)
                    del logs, piece  # before the next tile is made, so that it takes the same memory


def _scratch(like: Tensor, size: int) -> Tensor:
    """(size,) one buffer for the weights of all tiles, lying behind a gap of the same size for their logs.

    Memory fresh from the system costs more to touch than exp2 does to compute. A block at the heap's end is given back
    as soon as it is free, and one that is larger than any before comes straight from the system: so a first block is
    made and dropped, and the gap has the buffer behind it.
    """
    like.new_empty(size)
    gap = like.new_empty(size)
    scratch = like.new_empty(size)
    del gap
    return scratch
