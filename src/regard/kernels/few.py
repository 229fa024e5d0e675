"""Few queries against a long cache: each key and value is read once, however many heads share it.

Decoding is bound by memory, not by arithmetic. So query heads that share a key head become rows of one product
(kernels/few_blocks.py), the softmax is taken over many runs of keys at once, and keys that the mask rules out are not
read.

Shapes inside: `lanes` = batch * kv_heads, `rows` = groups * query_len; scores (lanes, rows, keys), in float32 at least
and in units of log 2, for exp2 is several times cheaper than exp.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from regard.kernels import streaming
from regard.kernels.few_blocks import LOG2E, Blocks
from regard.kernels.sink import with_sink
from regard.spec.mask import Block
from regard.spec.request import Request

MOST = 16  # queries; above it, tiles of queries cost less
SEGMENT = 1 << 22  # scores held at once, over all lanes: 16 MiB of float32

Piece = tuple[range, bool]  # a run of keys, and whether the mask must be laid over it


def fits(request: Request) -> str | None:
    """Why this kernel is not meant for the request, or None."""
    count = request.query.shape[2]
    return None if count <= MOST else f"is made for at most {MOST} queries, got {count}"


@torch.no_grad()
def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); no gradient. Computed in float32 for bfloat16 and float16 inputs, else in the input's own dtype.

    A result that is not finite may owe it to a key that nobody may look at: then `streaming` tells those apart.
    """
    working = torch.promote_types(request.query.dtype, torch.float32)
    shape = request.output_shape
    if not (math.prod(shape[:3]) and request.place.key_len):
        return request.query.new_zeros(shape), request.query.new_full(shape[:3], -torch.inf, dtype=working)
    device = request.query.device.type
    if torch.is_autocast_enabled(device):  # it would make the products in a half type
        with torch.autocast(device, enabled=False):
            return run(request)
    found = _summed(request)
    if found is None:
        return request.query.new_zeros(shape), request.query.new_full(shape[:3], -torch.inf, dtype=working)
    context, total, top = found
    if not bool(torch.isfinite(context.sum() + total.sum())):  # a score that is not finite shows in the total
        return streaming.run(request)
    # a row's largest weight is 1, so that a total below 1 is that of an empty row: 0, whose log is -inf
    output, lse = (context / total.clamp_min(1.0)).view(shape), (total.log2() + top).div_(LOG2E).view(shape[:3])
    output, lse = with_sink(output, lse, request.sink)
    return output.to(request.query.dtype), lse


def _pieces(request: Request, held: Blocks) -> Iterator[Piece]:
    """The keys that some query may attend to, in runs; those that the mask rules out are left out."""
    mask, place = request.mask, request.place
    near = place.cols if mask is None else mask.hull(place.rows, place)
    if mask is None or not near or mask.block(place.rows, near, place) is Block.ALL:
        yield from ((near[start : start + held.step], False) for start in range(0, len(near), held.step))
        return
    for start in range(0, len(near), held.grain):
        cols = near[start : start + held.grain]
        answer = mask.block(place.rows, cols, place)
        if answer is not Block.NONE:
            yield cols, answer is Block.MIXED


def _segments(pieces: Iterator[Piece], most: int) -> Iterator[list[Piece]]:
    """The pieces in groups of at most `most` keys, or of one piece."""
    group: list[Piece] = []
    count = 0
    for piece in pieces:
        if group and count + len(piece[0]) > most:
            yield group
            group, count = [], 0
        group.append(piece)
        count += len(piece[0])
    if group:
        yield group


def _summed(request: Request) -> tuple[Tensor, Tensor, Tensor] | None:
    """(sums of weights times values (lanes, rows, e), sums of weights (lanes, rows, 1), shift (lanes, rows, 1)); None
    where the mask leaves no key.

    A weight is 2^(score - shift); the shift is the largest score of a row, or the lowest number in an empty row.
    """
    held = Blocks.of(request)
    lanes = request.place.batch * request.key.shape[1] * request.groups * request.place.query_len
    found: tuple[Tensor, Tensor, Tensor] | None = None
    for pieces in _segments(_pieces(request, held), SEGMENT // lanes):
        scores = _scores(request, held, pieces)
        top = scores.amax(-1, keepdim=True).clamp_min_(torch.finfo(scores.dtype).min)
        top = top if found is None else torch.maximum(top, found[2])
        weights = scores.sub_(top).exp2_()
        total = weights.sum(-1, keepdim=True)
        context = _context(held, weights, pieces)
        if found is not None:
            shrink = torch.exp2(found[2] - top)
            total, context = total + found[1] * shrink, context + found[0] * shrink
        found = context, total, top
    return found


def _scores(request: Request, held: Blocks, pieces: list[Piece]) -> Tensor:
    """(lanes, rows, keys of all pieces): log2 scores, -inf where mask or biases forbid."""
    if len(pieces) == 1:
        cols, mixed = pieces[0]
        return _laid_over(request, held.scores(cols), cols, mixed)
    shape = (request.place.batch * request.key.shape[1], request.groups * request.place.query_len)
    working = torch.promote_types(request.query.dtype, torch.float32)
    scores = request.query.new_empty(*shape, sum(len(cols) for cols, _ in pieces), dtype=working)
    for (cols, mixed), shown in zip(pieces, _runs(scores, pieces), strict=True):
        shown.copy_(_laid_over(request, held.scores(cols), cols, mixed))
    return scores


def _context(held: Blocks, weights: Tensor, pieces: list[Piece]) -> Tensor:
    """(lanes, rows, e): weights (lanes, rows, keys of all pieces) times values."""
    if len(pieces) == 1:
        return held.context(weights, pieces[0][0])
    parts = [held.context(shown, cols) for (cols, _), shown in zip(pieces, _runs(weights, pieces), strict=True)]
    return torch.stack(parts).sum(0)


def _laid_over(request: Request, scores: Tensor, cols: range, mixed: bool) -> Tensor:
    """`scores` (lanes, rows, len(cols)) with biases and mask added: adding -inf is cheap, filling it in is not."""
    place = request.place
    shown = scores.view(place.batch, place.heads, place.query_len, len(cols))
    for bias in request.biases:
        shown.add_(bias.tile(place.rows, cols, place).to(scores.dtype), alpha=LOG2E)
    if mixed and request.mask is not None:
        forbidden = ~request.mask.tile(place.rows, cols, place)
        shown.add_(torch.zeros_like(forbidden, dtype=scores.dtype).masked_fill_(forbidden, -torch.inf))
    return scores


def _runs(tensor: Tensor, pieces: list[Piece]) -> list[Tensor]:
    """`tensor` (lanes, rows, keys of all pieces) piece by piece: views."""
    return list(torch.split(tensor, [len(cols) for cols, _ in pieces], -1))
