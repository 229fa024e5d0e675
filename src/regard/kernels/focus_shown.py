"""Statistics under a budget: the weight of every key in the softmax that the budget left.

A key that was read has the weight of its own score; one that was not that of its sketch, or, in tiles, of its block's
mean key. Together they are 1 in every row, as without a budget, and are shown to the same tallies (kernels/tallies.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regard.kernels import focus, focus_look, log_weights
from regard.kernels.focus_choice import Choice
from regard.kernels.focus_tile import Shelf, parts
from regard.kernels.focus_tiles import choices
from regard.kernels.log_weights import LOG2E, LOW, Chunk, Lane
from regard.kernels.sketch import Sketch
from regard.kernels.tallies import Piece, Tally
from regard.spec.request import Request


def of_tiles(
    request: Request, lse: Tensor, tallies: Sequence[Tally], *, queries: Tensor, heads: tuple[int, ...]
) -> None:
    """Show the tallies the weights of `queries` (int64, ascending) and `heads` on all keys, as `focus-tiles` weighs
    them. lse: (batch, heads, query_len), what that gave, with the sink's logit if there is one."""
    assert request.budget is not None
    kept = request.kept if isinstance(request.kept, Sketch) else None
    width = max(tally.width for tally in tallies)
    lanes = {_number(lane, request): lane for lane in log_weights.lanes(request.place, request.key.shape[1], heads)}
    for number, query, shelf, choice in choices(request, request.budget, kept):
        lane, chunk = lanes.get(number), _chunk(queries, choice.rows)
        if lane is None or chunk is None:
            continue
        rows, first = slice(chunk.rows.start, chunk.rows.stop), lane.key_head * request.groups
        asking = query[rows, [head - first for head in lane.heads]]
        floor = lse[lane.batch, list(lane.heads), rows]
        hull, scores = _scores(choice.at(chunk.rows), asking, shelf)
        _show(lane, chunk, hull, scores, floor, tallies, width)


def of_looks(
    request: Request, lse: Tensor, tallies: Sequence[Tally], *, queries: Tensor, heads: tuple[int, ...]
) -> None:
    """The same, as `focus` weighs them, each query by itself."""
    assert request.budget is not None
    kept = request.kept if isinstance(request.kept, Sketch) else None
    width = max(tally.width for tally in tallies)
    lanes = log_weights.lanes(request.place, request.key.shape[1], heads)
    for rows, look, _ in focus.looks(request, request.budget, kept):
        chunk = _chunk(queries, rows)
        if chunk is None:
            continue
        some, scores = slice(chunk.rows.start - rows.start, chunk.rows.stop - rows.start), focus_look.shown(look)
        for lane in lanes:
            mine = [head - lane.key_head * request.groups for head in lane.heads]
            floor = lse[lane.batch, list(lane.heads), chunk.rows.start : chunk.rows.stop]
            own = scores[_number(lane, request), some][:, mine].transpose(0, 1)
            _show(lane, chunk, request.place.cols, own, floor, tallies, width)


def _show(
    lane: Lane, chunk: Chunk, hull: range, scores: Tensor, floor: Tensor, tallies: Sequence[Tally], width: int
) -> None:
    """scores (heads, rows, keys of the hull) log2; floor (heads, rows), natural log of each row's sum."""
    low = torch.where(floor < -LOW / 2, LOW, floor * LOG2E)[..., None]
    logs = (scores - low).clamp_min_(-LOW)
    some = logs if chunk.picked is None else logs[:, chunk.picked]
    for cols in log_weights.runs(hull, width):
        flat = some[:, :, cols.start - hull.start : cols.stop - hull.start].flatten(0, 1).contiguous()
        piece = Piece(lane, chunk, cols, flat, flat.exp2())
        for tally in tallies:
            tally.add(piece)


def _number(lane: Lane, request: Request) -> int:
    return lane.batch * request.key.shape[1] + lane.key_head


def _chunk(queries: Tensor, rows: range) -> Chunk | None:
    """Those of the queries asked about that lie in a tile; None where none does."""
    start, stop = torch.searchsorted(queries, torch.tensor([rows.start, rows.stop])).tolist()
    if start == stop:
        return None
    span = range(int(queries[start]), int(queries[stop - 1]) + 1)
    return Chunk(slice(start, stop), span, None if len(span) == stop - start else queries[start:stop] - span.start)


def _scores(choice: Choice, query: Tensor, shelf: Shelf) -> tuple[range, Tensor]:
    """The keys from the first to the last that is weighed, and by which log2 score (heads, rows, keys); query (rows,
    heads, d)."""
    found = [part.scores.view(*query.shape[:2], -1) for part in parts(choice, query, shelf)]
    spread = choice.keys[:0] if choice.blocks is None else choice.spread()
    both = torch.cat((choice.keys, spread))
    hull = range(int(both.min()), int(both.max()) + 1) if len(both) else range(0)
    logs = query.new_full((*query.shape[:2], len(hull)), -torch.inf)
    if choice.unread is not None:
        # of one key, where `parts` has all that are left; a block of which none is left is NaN, and read below
        logs[:, :, spread - hull.start] = (found[1] - choice.unread.log2()).repeat_interleave(choice.grain, -1)
    logs[:, :, choice.keys - hull.start] = found[0]
    return hull, logs.transpose(0, 1)
