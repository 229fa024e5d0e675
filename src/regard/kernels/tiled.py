"""The fast way through a dot score on a CPU: tiles of weights by matrix products alone, forward and backward.

A tile costs one product for its scores, one exp2, and one product with the values, which carry a column of ones so that
the sum of a row comes with it. Where |query| * |key| keeps every score small no maximum is taken away first: that is
needed only against overflow, and float32 holds 2^-126 to 2^127. Elsewhere a running maximum is kept (Milakov &
Gimelshein 2018). The backward pass makes each tile once more from the lse (Dao et al. 2022, section 3.1).

Inputs must be finite; NaN and infinity are for the careful way in `kernels/online.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.kernels import layout, log_weights, online
from regard.kernels.dot_tiles import DotTiles
from regard.kernels.layout import Strip
from regard.kernels.log_weights import LOG2E, LOW, Chunk, Lane, LogWeights
from regard.kernels.products import product
from regard.spec.curve import Curve
from regard.spec.mask import Block
from regard.spec.request import Request

WIDTH = 512  # keys in a tile: 1 MiB with 512 rows; twice that is a tenth faster on two threads, in twice the memory
# oneDNN compiles a product for each new shape, which takes .6 ms and .7 MB: tiles are filled up to few shapes
FILL_ROWS, FILL_COLS = 32, 64
TALL, MIDDLE, LOW_STRIP = 512, 256, 32  # rows of a tile: queries times the heads that share a key head
WIDE = 512  # keys that a query sees: from here up tall strips waste little
BOUND = 60.0  # of |log2 score|: a weight is 2^-60 to 2^60, so that
VALUES = 40.0  # |log2 value| of the largest value leaves 2^27 keys before a sum overflows, and 2^-26 below the largest


@dataclass(frozen=True, eq=False)
class Gradients:
    """Of one call, in the dtype that is computed in."""

    query: Tensor
    key: Tensor
    value: Tensor


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large one call's numbers are: no score is above `reach` (`log_weights.reach`), no value above `value`."""

    reach: float
    value: float

    def bound(self, request: Request) -> bool:
        """Whether weights and their products with values stay among the numbers that float32 holds in full."""
        middling = 2.0**-VALUES <= self.value <= 2.0**VALUES
        return not request.biases and middling and self.reach * LOG2E <= BOUND


def forward(request: Request, made: online.Made, value: Tensor, sizes: Sizes) -> tuple[Tensor, Tensor]:
    """(output (batch, heads, n, e), lse (batch, heads, n)), without the sink. Shapes of `made` and `value` are a
    request's. Nothing is differentiated."""
    bounded = sizes.bound(request) and isinstance(made.scores, DotTiles) and made.scores.curve.straight
    output = made.query.new_empty((*made.query.shape[:3], value.shape[3]))
    total, shift = (made.query.new_zeros(made.query.shape[:3]) for _ in range(2))
    tensors = (made.query, made.key, value, output, total, shift)
    for part, (query, key, values, *into) in layout.by_item(request, tensors):
        weights = LogWeights.of(part, replace(made, query=query, key=key), None, sizes.reach)
        ready, summed = _with_ones(values), _bounded_strip if bounded else _shifted_strip
        for strip, chunk, lane in _pieces(part, key.shape[1]):
            sums, top = summed(weights, strip, chunk, lane, ready[lane.batch, lane.key_head])
            _write(into, sums, top, lane, chunk)
    empty = total == 0
    if bool(empty.any()):
        output.masked_fill_(empty[..., None], 0.0)
    return output, total.log2_().add_(shift).mul_(math.log(2))


def backward(
    request: Request,
    made: online.Made,
    value: Tensor,
    found: tuple[Tensor, Tensor],
    upstream: tuple[Tensor, Tensor],
    reach: float,
) -> Gradients:
    """What `upstream`, the gradients at `found` (output and lse), sends back through a straight dot score."""
    (output, lse), (grad, grad_lse) = found, upstream
    delta = (grad * output).sum(-1, keepdim=True) - grad_lse[..., None]
    # keys' and values' are summed up turned, (.., d, m): so a tile of weights is multiplied as it lies
    zeros = (t.new_zeros(t.shape) for t in (made.query, made.key.mT, value.mT))
    sums = Gradients(*zeros)
    tensors = (made.query, made.key, value, lse, torch.cat((grad, -delta), -1), sums.query, sums.key, sums.value)
    for part, (query, key, values, known, pulled, to_query, to_key, to_value) in layout.by_item(request, tensors):
        weights = LogWeights.of(part, replace(made, query=query, key=key), known, reach)
        ready = _with_ones(values)
        for strip, chunk, lane in _pieces(part, key.shape[1]):
            spot = (lane.batch, lane.key_head)
            own = Gradients(to_query, to_key[spot], to_value[spot])
            _backward_strip(weights, strip, chunk, lane, (ready[spot], key[spot], pulled), own)
    assert isinstance(made.scores, DotTiles)
    sums.query.mul_(made.scores.scale)
    sums.key.mul_(made.scores.scale)
    return Gradients(sums.query, sums.key.mT, sums.value.mT)


def height(request: Request) -> int:
    """Queries in a strip. A tall one computes more that the mask throws away, a low one does little work for each
    operation: where queries see few keys they meet at about 256 rows for vectors of 64, half of that for longer."""
    rows = TALL if layout.reach(request) >= WIDE else MIDDLE
    narrow = rows if request.query.shape[3] <= 128 or rows == TALL else rows // 2
    return max(LOW_STRIP, narrow // max(1, request.groups))


def _pieces(request: Request, key_heads: int) -> Iterator[tuple[Strip, Chunk, Lane]]:
    """Every strip that sees a key, for every lane. Lanes come outermost, for their keys and values stay in the cache;
    not where a mask would have to be laid out anew for each."""
    lanes = log_weights.lanes(request.place, key_heads, tuple(range(request.place.heads)))
    chunks = [
        (strip, Chunk(slice(strip.rows.start, strip.rows.stop), strip.rows, None))
        for strip in layout.strips(request, height(request))
        if strip.spans
    ]
    if request.mask is None or request.mask.relative:
        yield from ((strip, chunk, lane) for lane in lanes for strip, chunk in chunks)
    else:
        yield from ((strip, chunk, lane) for strip, chunk in chunks for lane in lanes)


def _bounded_strip(
    weights: LogWeights, strip: Strip, chunk: Chunk, lane: Lane, values: Tensor
) -> tuple[Tensor, Tensor | None]:
    """(sums of weights times values and of weights (rows, e + 1), no shift)."""
    rows, total = _filled(weights.rows(lane, chunk)), None
    for cols, answer in strip.runs(WIDTH):
        shown = _tile(weights, lane, chunk, rows, cols, answer).exp2_()
        part = product(shown, _widened(values, cols).mT)
        total = part if total is None else total.add_(part)
    assert total is not None
    return total, None


def _shifted_strip(
    weights: LogWeights, strip: Strip, chunk: Chunk, lane: Lane, values: Tensor
) -> tuple[Tensor, Tensor | None]:
    """The same sums, as multiples of 2^shift, and the shift (rows, 1): the largest log2 score of each row."""
    rows = _filled(weights.rows(lane, chunk))
    top = rows.new_full((rows.shape[0] * rows.shape[1], 1), -torch.inf)
    total = rows.new_zeros((len(top), values.shape[1]))
    for cols, answer in strip.runs(WIDTH):
        logs = _tile(weights, lane, chunk, rows, cols, answer)
        higher = torch.maximum(top, logs.amax(-1, keepdim=True))
        higher = torch.where(higher < -LOW / 2, -torch.inf, higher)  # what is forbidden does not count
        shift = torch.where(torch.isneginf(higher), 0.0, higher)
        total.mul_(torch.exp2(top - shift))
        total.add_(product(logs.sub_(shift).exp2_(), _widened(values, cols).mT))
        top = higher
    return total, torch.where(torch.isneginf(top), 0.0, top)


def _tile(weights: LogWeights, lane: Lane, chunk: Chunk, rows: Tensor, cols: range, answer: Block) -> Tensor:
    """(heads * height, width) log2 weights: the tile of `chunk` and `cols`, filled up to a height and a width of which
    there are few. What is beyond `cols` is forbidden; rows beyond the chunk's hold what nobody asks for."""
    tile = weights.raw(lane, rows, _widened(weights.keys[lane.batch, lane.key_head], cols))
    inside = tile.view(len(lane.heads), rows.shape[1], -1)[:, : chunk.count, : len(cols)]
    weights.lay(inside, lane, chunk, cols, answer)
    if tile.shape[1] > len(cols):
        tile[:, len(cols) :] = -LOW
    return tile


def _filled(rows: Tensor) -> Tensor:
    """(heads, count, d) with rows of zeros up to a multiple of FILL_ROWS."""
    more = -rows.shape[1] % FILL_ROWS
    return pad(rows, (0, 0, 0, more)) if more else rows


def _widened(tensor: Tensor, cols: range) -> Tensor:
    """The rows `cols` of (m, x) and those behind them, up to a multiple of FILL_COLS; zeros where there are no more."""
    stop = cols.start + -(-len(cols) // FILL_COLS) * FILL_COLS
    more = max(0, stop - len(tensor))
    return pad(tensor[cols.start :], (0, 0, 0, more)) if more else tensor[cols.start : stop]


def _write(into: list[Tensor], sums: Tensor, shift: Tensor | None, lane: Lane, chunk: Chunk) -> None:
    """Put one strip of one lane into output, total and shift. `sums` (heads * height, e + 1): last the weights'."""
    output, total, shifts = (t[lane.batch, lane.heads[0] : lane.heads[-1] + 1] for t in into)
    rows = slice(chunk.rows.start, chunk.rows.stop)
    sums = sums.view(len(lane.heads), -1, sums.shape[-1])[:, : chunk.count]
    torch.div(sums[..., :-1], sums[..., -1:], out=output[:, rows])
    total[:, rows] = sums[..., -1]
    if shift is not None:
        shifts[:, rows] = shift.view(len(lane.heads), -1)[:, : chunk.count]


def _backward_strip(
    weights: LogWeights,
    strip: Strip,
    chunk: Chunk,
    lane: Lane,
    held: tuple[Tensor, Tensor, Tensor],
    sums: Gradients,
) -> None:
    """Add to `sums` what one strip of one lane sends back, before the scale. `held`: values with ones (m, e + 1), keys
    (m, d), upstream with -delta (batch, heads, n, e + 1). `sums.key` (d, m) and `sums.value` (e, m) are the lane's."""
    values, key, upstream = held
    heads, span = slice(lane.heads[0], lane.heads[-1] + 1), slice(chunk.rows.start, chunk.rows.stop)
    rows = _filled(weights.rows(lane, chunk))
    pulled = _filled(upstream[lane.batch, heads, span]).flatten(0, 1)  # 0 in the rows that fill up
    turned_pull = pulled[:, :-1].mT.contiguous()
    turned_query = _filled(weights.made.query[lane.batch, heads, span]).flatten(0, 1).mT.contiguous()
    into = sums.query[lane.batch, heads, span]
    for cols, answer in strip.runs(WIDTH):
        keys, count = slice(cols.start, cols.stop), len(cols)
        shown = _tile(weights, lane, chunk, rows, cols, answer).exp2_()
        back = product(pulled, _widened(values, cols)).mul_(shown)
        to_query = product(back, _widened(key, cols).mT)
        into.add_(to_query.view(len(lane.heads), rows.shape[1], into.shape[-1])[:, : chunk.count])
        sums.value[:, keys].add_(product(turned_pull, shown.mT)[:, :count])
        sums.key[:, keys].add_(product(turned_query, back.mT)[:, :count])


def _with_ones(values: Tensor) -> Tensor:
    """(..., m, e + 1): a last column of ones."""
    return torch.cat((values, values.new_ones((*values.shape[:-1], 1))), -1)


def expected(request: Request) -> bool:
    """Whether this way may be taken, if all inputs turn out finite: a dot score on a CPU, no dropout, nothing empty,
    and where gradients are wanted a straight score and no bias that learns."""
    if request.query.device.type != "cpu" or request.dropout or 0 in (*request.output_shape, request.place.key_len):
        return False
    if not request.score.dot_family:
        return False
    learned = any(t.requires_grad for bias in request.biases for t in bias.tensors())
    curve: Curve | None = getattr(request.score, "_curve", None)
    straight = curve is None or curve.straight
    return bool(straight and not learned) or not request.wants_gradient()
