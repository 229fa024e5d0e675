"""Any score of the dot family under any mask and bias, tile by tile, in memory linear in the lengths.

Two ways lead there. `kernels/tiled.py` is the fast one, for finite inputs on a CPU; `kernels/online.py` the careful
one, for everything else: NaN and infinity that no query may see, dropout, biases that learn, other devices.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import guard, log_weights, online, tiled
from regard.kernels.dot_tiles import DotTiles
from regard.kernels.sink import with_sink
from regard.spec.request import Request


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); computed in float32 for bfloat16 and float16 inputs, else in the input's own dtype."""
    with torch.autocast(request.query.device.type, enabled=False):
        ready = made(request)
        value = request.value.to(ready.query.dtype)
        sizes = _sizes(request, ready, value) if tiled.expected(request) else None
        if sizes is None:
            return finish(request, ready)
        output, lse = _Tiled.apply(request, ready, sizes, ready.query, ready.key, value)  # type: ignore[no-untyped-call]
        output, lse = with_sink(output, lse, request.sink)
        return output.to(request.query.dtype), lse


def made(request: Request) -> online.Made:
    """The dot form of the request's score."""
    working = torch.promote_types(request.query.dtype, torch.float32)
    form = guard.prepared(request.score, request.query.to(working), request.key.to(working))
    return online.Made(form.query, form.key, (), DotTiles(form.scale, form.curve))


def finish(request: Request, made: online.Made) -> tuple[Tensor, Tensor]:
    """Run the online softmax over these scores, put the sink in, and return to the request's dtype."""
    seed = int(torch.randint(1 << 62, ())) if request.dropout else 0
    setting = online.Setting(request.place, request.mask, request.biases, made.scores, request.dropout, seed)
    value = request.value.to(made.query.dtype)
    output, lse = online.attend(made.query, made.key, value, made.learned, setting)
    output, lse = with_sink(output, lse, request.sink)
    return output.to(request.query.dtype), lse


def _sizes(request: Request, ready: online.Made, value: Tensor) -> tiled.Sizes | None:
    """How large the numbers are; None where one is not finite, or too large for the fast way."""
    largest = log_weights.largest(value)
    reach = log_weights.reach(request, ready) if math.isfinite(largest) else math.inf
    return tiled.Sizes(reach, largest) if log_weights.tame(request, reach) else None


class _Tiled(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, request: Request, ready: online.Made, sizes: tiled.Sizes, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor]:
        output, lse = tiled.forward(request, ready, value, sizes)
        ctx.request, ctx.scores, ctx.reach = request, ready.scores, sizes.reach
        ctx.save_for_backward(query, key, value, output, lse)
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, lse = ctx.saved_tensors
        ready = online.Made(query, key, (), ctx.scores)
        made = tiled.backward(ctx.request, ready, value, (output, lse), (grad_output, grad_lse), ctx.reach)
        return None, None, None, made.query, made.key, made.value
