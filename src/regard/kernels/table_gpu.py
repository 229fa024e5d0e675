"""The kernel table's rows for CUDA GPUs. Not one of them has been measured on a GPU yet.

Their speeds and fixed costs are guesses, good for ordering the rows of one GPU, no more. A fixed cost holds the
compilation of a first call, spread over ten thousand calls: torch's compiler takes some 20 s for FlexAttention, Triton
a second or two for a kernel of ours.
"""

from __future__ import annotations

import math

import torch

from regard.kernels import flex
from regard.kernels.cost import Cost, density
from regard.kernels.flex_mods import convertible
from regard.kernels.row import DOT, Row
from regard.kernels.triton import observed, windowed
from regard.kernels.triton.band import band
from regard.kernels.triton.shapes import blocks
from regard.spec.request import Request
from regard.spec.score import Cosine, Dot, General, ScaledDot

_DTYPES = (torch.float32, torch.bfloat16, torch.float16)
COMPILING_FLEX_S, COMPILING_TRITON_S, SHARED_BY = 20.0, 2.0, 10_000

# What rows whose constants are a processor's may do on a GPU: operations a second, and seconds a call. Guesses too.
ON_A_GPU: dict[str, tuple[float, float]] = {
    "exact": (2e14, 3e-5),
    "blocks": (1e13, 5e-4),
    "streaming": (5e12, 1e-3),
    "additive": (1e12, 1e-3),
    "few": (1e13, 2e-4),
    "dense": (1e13, 2e-4),
}
BYTES_PER_S = 2e12  # of a GPU's own memory


def guessed_s(row: Row, cost: Cost) -> float:
    """Seconds of a call of this row on a GPU; good for ordering the rows, no more."""
    flops_per_s, fixed_s = ON_A_GPU.get(row.name, (row.flops_per_s, row.fixed_s))
    return fixed_s + cost.flops / flops_per_s + cost.bytes / BYTES_PER_S


def flex_cost(request: Request) -> Cost:
    """Blocks of which the mask says none are skipped. Extra memory: the lists of blocks, and vectors filled up to 16
    entries where they are shorter."""
    place = request.place
    # asked of the mask only where the row can run: on a CPU the planner wants no figure of it
    share = density(request) if request.query.device.type in flex.COMPILED_ON else 1.0
    lists = 4.0 * 4 * math.ceil(place.query_len / flex.SIDE) * math.ceil(place.key_len / flex.SIDE)
    lanes = 1 if request.mask is None else math.prod(request.mask.extent())
    short = [t for t in (request.query, request.key, request.value) if t.shape[3] < flex.LEAST]
    filled = sum(math.prod(t.shape[:3]) * flex.LEAST * t.element_size() for t in short)
    return Cost(_flops(request) * share, _io(request), lists * lanes + filled + _prepared(request), 0)


def windowed_cost(request: Request) -> Cost:
    """The key blocks in reach of each block of queries; in the backward pass about two and a half times that."""
    reach, place = band(request.mask), request.place
    cells = float(place.query_len * place.key_len)
    if reach is not None:
        sizes = blocks(request.query.shape[3], request.value.shape[3], request.query.dtype)
        cells = 0.0
        for first in range(0, place.query_len, sizes.rows):
            last = min(first + sizes.rows, place.query_len) - 1
            low = max(0, first + place.query_start - reach.before) // sizes.cols * sizes.cols
            high = min(place.key_len, last + place.query_start + reach.after + 1)
            cells += sizes.rows * max(0, high - low)
    share = cells / max(1, place.query_len * place.key_len)
    times = 3.5 if request.wants_gradient() else 1.0
    rows = 4.0 * place.batch * place.heads * place.query_len
    return Cost(_flops(request) * share * times, _io(request) * times, rows * (times > 1) + _prepared(request), 0)


def observed_cost(request: Request) -> Cost:
    """The scores are made twice."""
    once, place = windowed_cost(request), request.place
    twice = 1 + request.query.shape[3] / max(1, request.query.shape[3] + request.value.shape[3])
    sums = 4.0 * place.batch * place.heads * (2 * place.query_len + place.key_len)
    return Cost(once.flops * twice, once.bytes * twice + sums, once.extra_bytes + sums, 0)


GPU_ROWS: tuple[Row, ...] = (
    Row(
        name="flex",
        about="torch's FlexAttention, compiled once a class of calls; blocks that the mask rules out are skipped; "
        "not yet measured on a GPU",
        run=flex.run,
        cost=flex_cost,
        scores=DOT,
        curved=True,
        sink=True,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,  # torch has some, with limits of its own; untried here
        lse=True,
        automatic=True,
        flops_per_s=1e14,
        fixed_s=COMPILING_FLEX_S / SHARED_BY,
        dtypes=_DTYPES,
        devices=("cuda",),
        fits=convertible,
    ),
    Row(
        name="triton",
        about="windows and causal masks in Triton; only keys in reach are read, forward and backward; "
        "not yet measured on a GPU",
        run=windowed.run,
        cost=windowed_cost,
        scores=(Dot, ScaledDot, Cosine, General),
        curved=True,  # the softcap
        sink=True,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,
        lse=True,
        automatic=True,
        flops_per_s=1e14,
        fixed_s=COMPILING_TRITON_S / SHARED_BY,
        dtypes=_DTYPES,
        devices=("cuda",),
        fits=windowed.fits,
    ),
    Row(
        name="triton-observed",
        about="as triton, with entropy, distance and mass received in the same kernel; not yet measured on a GPU",
        run=observed.run,
        cost=observed_cost,
        scores=(Dot, ScaledDot, Cosine, General),
        curved=True,
        sink=False,
        dropout=False,
        empty=False,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=False,
        flops_per_s=1e14,
        fixed_s=COMPILING_TRITON_S / SHARED_BY,
        dtypes=_DTYPES,
        devices=("cuda",),
        fits=windowed.fits,
    ),
)


def _flops(request: Request) -> float:
    place = request.place
    cells = float(place.batch * place.heads * place.query_len * place.key_len)
    return 2.0 * cells * (request.query.shape[3] + request.value.shape[3])


def _io(request: Request) -> float:
    read = sum(t.numel() * t.element_size() for t in (request.query, request.key, request.value))
    return float(read + math.prod(request.output_shape) * request.value.element_size())


def _prepared(request: Request) -> float:
    """Queries and keys made anew by a score that changes them, and in float32 on the way."""
    if isinstance(request.score, (Dot, ScaledDot)) and request.query.element_size() >= 4:
        return 0.0
    return float(sum(t.numel() * (4 + t.element_size()) for t in (request.query, request.key)))
