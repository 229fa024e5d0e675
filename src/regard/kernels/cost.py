"""What a kernel costs for a request: operations, bytes, and extra memory, from sizes alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from regard.kernels import blocks, exact, layout, tiled
from regard.kernels.tiles import TILE_COLS, TILE_ROWS
from regard.spec.mask import Block
from regard.spec.request import Request

FEW = 16  # queries: with so few, torch's operation reads keys once for each query head
GRID = 16  # a mask is asked about GRID x GRID blocks to see how much of the square it leaves


@dataclass(frozen=True, slots=True)
class Cost:
    """Counted, not measured. `square_bytes` is the part of `extra_bytes` that is query_len x key_len."""

    flops: float  # multiply-adds count as two
    bytes: float  # read and written from and to memory, inputs and output once
    extra_bytes: float  # peak memory above inputs and output
    square_bytes: float
    cells: float = 0.0  # scores computed
    steps: float = 0.0  # separate small computations, each with a price of its own
    biased: float = 0.0  # scores that a bias is made for and added to, once for each bias


def exact_cost(request: Request) -> Cost:
    """SDPA computes the whole square, or under `is_causal` its lower triangle in steps of a block of queries."""
    share = _triangle(request) if exact.triangular(request) else 1.0
    square, padded = _laid_out_bytes(request), 0.0
    if request.query.shape[3] != request.value.shape[3]:
        padded = 2.0 * max(_bytes(request.query) + _bytes(request.key), _bytes(request.value))
    working = 4.0 * 2 * 512 * 64  # torch's own tiles, a few hundred KiB
    cells = _cells(request) * share
    read = _io(request) + (request.groups - 1) * _cache(request)  # keys and values once for each query head
    return Cost(_dot_flops(request) * share, read + square, square + padded + working, square, cells)


def blocks_cost(request: Request) -> Cost:
    """The strips that hold anything, each a call of torch's operation for all heads at once."""
    left = layout.work(request, blocks.height(request), tiled.WIDTH)
    share = left.cells / max(1.0, _cells(request))
    mixed = _tile_bytes(request, left.cells)
    strip = 4.0 * blocks.HIGHEST * request.place.key_len * share
    sums = 2 * _io(request) if request.wants_gradient() else 0
    flops = _dot_flops(request) * share
    moved = _io(request) + mixed
    if request.place.query_len <= FEW:  # keys and values once for each query head, and those that are left alone
        moved += _cache(request) * (request.groups * share - 1)
    return Cost(flops, moved, strip + sums, 0, left.cells, float(left.strips), _biased(request, left.cells))


def dense_cost(request: Request) -> Cost:
    """Scores, weights, mask and the weights' gradient live at once."""
    cells = _cells(request)
    width = max(4, request.query.element_size())
    depth = request.query.shape[3] if not request.score.dot_family else 1
    square = cells * width * (4 + depth)
    repeated = 16.0 * request.query.numel() if request.groups > 1 else 0.0
    moved = _io(request) + 4 * square + _widened(request) + repeated
    return Cost(_flops(request), moved, square + 2 * _io(request), square, cells)


def streaming_cost(request: Request) -> Cost:
    """Only the blocks that hold anything are computed; a few tiles and float32 copies of half inputs live at once."""
    return _tiled_cost(request) if tiled.expected(request) else _online_cost(request)


def _tiled_cost(request: Request) -> Cost:
    left = layout.work(request, tiled.height(request), tiled.WIDTH)
    share = left.cells / max(1.0, _cells(request))
    tile = 4.0 * tiled.TALL * tiled.WIDTH * 3
    copies = 2 * _io(request) if request.query.element_size() == 2 else 0
    values = _bytes(request.value)  # with a column of ones
    backward = 2 * _io(request) if request.wants_gradient() else 0
    extra = tile + copies + values + backward
    moved = _io(request) + _widened(request) + _tile_bytes(request, left.cells)
    biased = _biased(request, left.cells)
    return Cost(_flops(request) * share, moved, extra, 0, left.cells, float(left.tiles), biased)


def _online_cost(request: Request) -> Cost:
    share = density(request)
    lanes = max(1, request.place.batch * request.place.heads)
    tile = 4 * min(lanes * TILE_ROWS * TILE_COLS, max(1 << 20, lanes * 8 * 64))
    copies = 2 * _io(request) if request.query.element_size() == 2 else 0
    backward = 2 * _io(request) if request.wants_gradient() else 0
    cells = _cells(request) * share
    steps = cells / (lanes * TILE_ROWS * TILE_COLS)
    moved, biased = _io(request) + 16 * cells, _biased(request, cells)
    return Cost(_flops(request) * share, moved, 4 * tile + copies + backward, 0, cells, steps, biased)


def density(request: Request) -> float:
    """The share of the square that is not in blocks of which the mask says none."""
    place = request.place
    if request.mask is None or not request.mask.lasting or not (place.query_len and place.key_len):
        return 1.0
    row_step = max(TILE_ROWS, math.ceil(place.query_len / GRID))
    col_step = max(TILE_COLS, math.ceil(place.key_len / GRID))
    rows = [place.rows[i : i + row_step] for i in range(0, place.query_len, row_step)]
    cols = [place.cols[i : i + col_step] for i in range(0, place.key_len, col_step)]
    kept = sum(len(r) * len(c) for r in rows for c in cols if request.mask.block(r, c, place) is not Block.NONE)
    return kept / (place.query_len * place.key_len)


def _triangle(request: Request) -> float:
    """The share of the square that torch's flash operation takes for a causal call, in the time of its slowest thread.

    A block of 256, 64 or 32 queries, by their number, computes up to its own end. Threads get equal runs of blocks,
    head by head: where there are fewer heads than threads the last run has the longest rows.
    """
    place = request.place
    lanes, threads = place.batch * place.heads, torch.get_num_threads()
    block = 256 if place.query_len >= 768 else 64 if place.query_len >= 192 else 32
    share = min(1.0, 0.5 + 0.5 * block / max(1, place.query_len))
    ends = [_work(lanes * part / threads) for part in range(threads + 1)]
    slowest = max(after - before for before, after in itertools.pairwise(ends))
    return min(1.0, share * slowest * threads / max(1, lanes))


def _work(heads: float) -> float:
    """Of so many heads' triangles, one after the other, the part that lies before this point, a whole one being 1."""
    whole = math.floor(heads)
    return whole + (heads - whole) ** 2


def _laid_out_bytes(request: Request) -> float:
    """What mask and biases take as the one tensor that SDPA wants, and as the float copy it makes of a bool one."""
    if exact.triangular(request) or (exact.open_mask(request) and not request.biases):
        return 0.0
    place = request.place
    parts = [request.mask, *request.biases]
    shapes = [_probe(part, request)[:2] for part in parts if part is not None]
    # of each axis the size that is not 1; torch.broadcast_shapes would load sympy, which takes seconds
    lanes = math.prod(next((size for size in sizes if size != 1), 1) for sizes in zip(*shapes, strict=True))
    width = request.query.element_size()
    width = max(4, width) if request.biases else width  # biases stay in float32 at least
    return float(lanes * place.query_len * place.key_len * (1 + width))


def _tile_bytes(request: Request, cells: float) -> float:
    """What mask and biases take where they are laid over `cells` scores: the mask once for all heads, a bias for each,
    written and read."""
    mask = 0.0 if request.mask is None else 4.0 * cells / max(1, request.place.heads)
    return mask + 8.0 * cells * len(request.biases)


def _biased(request: Request, cells: float) -> float:
    return cells * len(request.biases)


def _probe(part: object, request: Request) -> tuple[int, ...]:
    """The shape of a mask's or bias's first entry: which of batch and heads it varies over."""
    rows, cols = range(min(1, request.place.query_len)), range(min(1, request.place.key_len))
    shape = tuple(part.tile(rows, cols, request.place).shape)  # type: ignore[attr-defined]
    return (1,) * (4 - len(shape)) + shape


def _cells(request: Request) -> float:
    place = request.place
    return float(place.batch * place.heads * place.query_len * place.key_len)


def _dot_flops(request: Request) -> float:
    return 2.0 * _cells(request) * (request.query.shape[3] + request.value.shape[3])


def _flops(request: Request) -> float:
    """An additive score takes a sum, a function and a multiply-add for each triple: counted as 8."""
    if request.score.dot_family:
        return _dot_flops(request)
    return _cells(request) * (8.0 * request.query.shape[3] + 2.0 * request.value.shape[3])


def _io(request: Request) -> float:
    place = request.place
    output = place.batch * place.heads * place.query_len * request.value.shape[3] * request.value.element_size()
    return float(sum(_bytes(t) for t in (request.query, request.key, request.value)) + output)


def _cache(request: Request) -> float:
    return _bytes(request.key) + _bytes(request.value)


def _widened(request: Request) -> float:
    """Bytes that float32 copies of half keys and values cost, written and read."""
    return 8.0 * _cache(request) if request.query.element_size() == 2 else 0.0


def _bytes(tensor: torch.Tensor) -> float:
    return float(tensor.numel() * tensor.element_size())
