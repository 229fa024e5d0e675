"""The kernel table's rows for few queries and for masks whose keys are close in another order than memory's."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from regard.kernels import dilated, few, few_blocks, loops, neighbourhood
from regard.kernels.cost import Cost, streaming_cost
from regard.kernels.row import DOT, Row
from regard.spec.positional import Grid2D
from regard.spec.request import Request
from regard.spec.score import Dot, General, ScaledDot


def few_cost(request: Request) -> Cost:
    """The keys from the first to the last that the mask leaves; each is read once, for all heads that share it."""
    place = request.place
    near = place.cols if request.mask is None else request.mask.hull(place.rows, place)
    cells = float(place.batch * place.heads * place.query_len * len(near))
    tensors = (request.key, request.value)
    numbers = float(place.batch * request.key.shape[1] * len(near) * sum(t.shape[3] for t in tensors))
    extra = 4.0 * (few_blocks.BLOCK + 2 * min(cells, few.SEGMENT))
    steps = math.ceil(numbers / few_blocks.BLOCK)
    moved, biased = numbers * request.key.element_size(), cells * len(request.biases)
    return Cost(2 * cells * _width(request), moved, extra, 0, cells, float(steps), biased)


def loops_cost(request: Request) -> Cost:
    """As `few_cost`, with nothing widened ahead: scores are made and summed up block by block."""
    cost, place = few_cost(request), request.place
    rows = place.batch * place.heads * place.query_len
    return replace(cost, extra_bytes=8.0 * rows * (request.value.shape[3] + loops.ROOM), steps=0.0)


def dilated_cost(request: Request) -> Cost:
    """`step` times what the window of one residue class costs."""
    if dilated.fits(request) is not None:
        return streaming_cost(request)
    step, window = dilated.window_of(request)
    query, key, value = (t[:, :, ::step] for t in (request.query, request.key, request.value))
    place = replace(
        request.place, query_len=query.shape[2], key_len=key.shape[2], query_start=request.place.query_start // step
    )
    one = streaming_cost(replace(request, query=query, key=key, value=value, mask=window, place=place))
    return Cost(step * one.flops, step * one.bytes, one.extra_bytes, 0, step * one.cells, step * one.steps)


def neighbourhood_cost(request: Request) -> Cost:
    """Each tile of queries with all the keys around it, gathered."""
    grid, place = request.mask, request.place
    if not isinstance(grid, Grid2D) or place.query_start % grid.width or place.query_len % grid.width:
        return streaming_cost(request)
    down, across = neighbourhood.sides(grid, place)
    tiles, keys = down.tiles * across.tiles, down.window * across.window
    cells = float(place.batch * place.heads * tiles * down.size * across.size * keys)
    gathered = float(place.batch * request.key.shape[1] * tiles * keys * _width(request))
    at_once = gathered if request.wants_gradient() else min(gathered, neighbourhood.GATHERED)
    size = request.key.element_size()
    extra = size * at_once + 5.0 * tiles * down.size * across.size * keys
    return Cost(2 * cells * _width(request), 3 * size * gathered, extra, 0, cells, float(place.batch * tiles))


def _width(request: Request) -> int:
    return request.key.shape[3] + request.value.shape[3]


FEW_ROWS: tuple[Row, ...] = (
    Row(
        name="few",
        about=f"at most {few.MOST} queries; each key is read once for all heads that share it; no gradient",
        run=few.run,
        cost=few_cost,
        scores=DOT,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=4e10,
        fixed_s=1.5e-4,
        fits=few.fits,
    ),
    Row(
        name="loops",
        about=f"at most {loops.MOST} queries, in compiled loops (numba); keys are read once, as they lie; no gradient",
        run=loops.run,
        cost=loops_cost,
        scores=(Dot, ScaledDot, General),
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=2e11,
        fixed_s=4e-5,
        dtypes=(torch.float32, torch.bfloat16, torch.float16),
        devices=("cpu",),
        fits=loops.fits,
        compiles=True,
    ),
    Row(
        name="dilated",
        about="a dilated mask as one window a residue class of positions, over strided views",
        run=dilated.run,
        cost=dilated_cost,
        scores=DOT,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=True,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=5e10,
        fixed_s=3e-4,
        fits=dilated.fits,
    ),
    Row(
        name="neighbourhood",
        about="a 2-D neighbourhood in tiles of the image, each with the keys around it, as one batch of torch SDPA",
        run=neighbourhood.run,
        cost=neighbourhood_cost,
        scores=DOT,
        curved=False,
        sink=False,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,
        lse=False,
        automatic=True,
        flops_per_s=4e10,
        fixed_s=5e-4,
        fits=neighbourhood.fits,
    ),
)
