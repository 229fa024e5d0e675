"""A window, or any other band, in Triton: only the key blocks in a query block's reach are read; forward and backward.

Dao et al. 2022 (tiles made again in the backward pass). Memory is linear in the lengths, and nothing is laid out for
the mask. Not yet measured on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import fused
from regard.kernels.sink import with_sink
from regard.kernels.triton import shapes
from regard.kernels.triton.band import Band, band
from regard.spec.errors import KernelError
from regard.spec.request import Request
from regard.spec.score import Prepared


@dataclass(frozen=True)
class Setting:
    """What stays fixed over a call."""

    start: int
    reach: Band
    scale: float
    cap: float | None


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output in the call's dtype, lse float32). Products and sums in float32. Raises `KernelError` where the mask is
    no band or there are biases."""
    form = fused.prepared(request)
    fixed = setting(request, form)

    def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        output, lse = _Windowed.apply(query, key, value, fixed)  # type: ignore[no-untyped-call]
        return output, lse

    found = fused.guarded(form.query, form.key, request.value, attend, attend)
    output, lse = with_sink(*found, request.sink)
    return output.to(request.query.dtype), lse


def setting(request: Request, form: Prepared) -> Setting:
    """The call's numbers. Raises `KernelError` for what the kernels here cannot do."""
    reason = fits(request)
    if reason is not None:
        raise KernelError(
            f"the Triton kernels cannot do this: it {reason}; leave kernel=None to let the planner choose"
        )
    reach = band(request.mask)
    assert reach is not None
    return Setting(request.place.query_start, reach, form.scale, form.curve.cap)


def fits(request: Request) -> str | None:
    """Why the kernels here cannot do a request, for what no column of the table says; None where they can."""
    curve = getattr(request.score, "_curve", None)
    if request.mask is not None and band(request.mask) is None:
        return f"takes windows and causal masks alone, not {request.mask.words()}"
    if request.biases:
        return "has no biases"
    if curve is not None and curve.activation != "identity":
        return f"has no activation {curve.activation}"
    return None


class _Windowed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, fixed: Setting) -> tuple[Tensor, Tensor]:
        output, lse = forward(query, key, value, fixed)
        ctx.save_for_backward(query, key, value, output, lse)
        ctx.fixed = fixed
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, lse = ctx.saved_tensors
        delta = (grad.to(torch.float32) * output.to(torch.float32)).sum(-1) - grad_lse
        known = shapes.Known(lse, delta.contiguous())
        return (*backward(query, key, value, grad, known, ctx.fixed), None)


def forward(query: Tensor, key: Tensor, value: Tensor, fixed: Setting) -> tuple[Tensor, Tensor]:
    """(output (batch, heads, query_len, value_dim), lse (batch, heads, query_len) float32); nothing empty."""
    from regard.kernels.triton.forward import windowed

    output = shapes.room(query, *query.shape[:3], value.shape[3])
    lse = shapes.room(query, *query.shape[:3], dtype=torch.float32)
    sizes = shapes.blocks(query.shape[3], value.shape[3], query.dtype)
    grid = (query.shape[0] * query.shape[1] * -(-query.shape[2] // sizes.rows),)
    with shapes.on(query):
        windowed[grid](
            *(shapes.four(t) for t in (query, key, value, output)),
            lse,
            numbers(query, key, value, fixed),
            **meta(query, value, fixed, sizes),
        )
    return output, lse


def backward(
    query: Tensor, key: Tensor, value: Tensor, grad: Tensor, known: shapes.Known, fixed: Setting
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value from that of the output."""
    from regard.kernels.triton.backward import to_key, to_query

    to = tuple(shapes.room(t, *t.shape) for t in (query, key, value))
    sizes = shapes.backward_blocks(query.shape[3], value.shape[3], query.dtype)
    given = tuple(shapes.four(t) for t in (query, key, value, grad))
    call, compiled = numbers(query, key, value, fixed), meta(query, value, fixed, sizes)
    row_blocks, col_blocks = -(-query.shape[2] // sizes.rows), -(-key.shape[2] // sizes.cols)
    with shapes.on(query):
        lanes = query.shape[0] * query.shape[1]
        to_query[(lanes * row_blocks,)](*given, known, shapes.four(to[0]), call, **compiled)
        into = shapes.Into(shapes.four(to[1]), shapes.four(to[2]))
        to_key[(key.shape[0] * key.shape[1] * col_blocks,)](*given, known, into, call, **compiled)
    return to[0], to[1], to[2]


def numbers(query: Tensor, key: Tensor, value: Tensor, fixed: Setting) -> shapes.Call:
    return shapes.call(query, key, value, fixed.start, fixed.reach, fixed.scale, fixed.cap)


def meta(query: Tensor, value: Tensor, fixed: Setting, sizes: shapes.Blocks) -> dict[str, int | bool]:
    """What a kernel is compiled for."""
    return {
        "ROWS": sizes.rows,
        "COLS": sizes.cols,
        "WIDE": shapes.wide(query.shape[3]),
        "VALUE_WIDE": shapes.wide(value.shape[3]),
        "CAPPED": fixed.cap is not None,
        "num_warps": sizes.warps,
        "num_stages": sizes.stages,
    }
