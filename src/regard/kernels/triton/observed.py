"""Output and statistics of a window, or any other band, in one Triton kernel: what `observe` shows, without a matrix.

After the tiles have given output and lse, the same program goes over them once more and reduces weight =
exp(score - lse) at once: entropy and distance of its own queries, and the mass that each key receives, which is added
up over programs in float32 (in no fixed order, so that the last digits may differ from run to run). Definitions:
`regard.kernels.tallies`. Not yet measured on a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import fused
from regard.kernels.triton import shapes, windowed
from regard.spec.errors import KernelError
from regard.spec.request import Request


@dataclass(frozen=True)
class Observed:
    """float32 but for the output; n = query_len, m = key_len."""

    output: Tensor  # (batch, heads, n, value_dim) in the call's dtype; bit for bit what `windowed` gives
    lse: Tensor  # (batch, heads, n)
    entropy: Tensor  # (batch, heads, n) nats
    distance: Tensor  # (batch, heads, n) mean |position - key| under the weights
    received: Tensor  # (batch, heads, m) sum over queries of each key's weight


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse), as a row of the kernel table gives them; no gradient flows."""
    found = observe(request)
    return found.output, found.lse


def observe(request: Request) -> Observed:
    """Output and statistics. No gradient flows. Raises `KernelError` where `windowed` does, and for sink logits.

    Inputs that are not all finite: the output is as `windowed` gives it; the statistics of a query that reaches a
    broken key are NaN, and so is the mass that the keys of its head receive.
    """
    if request.sink is not None:
        raise KernelError(
            'the observing Triton kernel has no sink logits; leave kernel=None, or use kernel="streaming"'
        )
    form = fused.prepared(request)
    fixed = windowed.setting(request, form)
    kept: list[Observed] = []

    def attend(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        kept.append(_launch(query, key, value, fixed))
        return kept[-1].output, kept[-1].lse

    def seen(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        return windowed.forward(query, key, value, fixed)

    with torch.no_grad():
        output, lse = fused.guarded(form.query, form.key, request.value, attend, seen)
    return _marked(kept[0], output, lse)


def _marked(found: Observed, output: Tensor, lse: Tensor) -> Observed:
    if lse is found.lse:
        return found
    broken = lse.isnan()
    return Observed(
        output,
        lse,
        found.entropy.masked_fill(broken, torch.nan),
        found.distance.masked_fill(broken, torch.nan),
        found.received.masked_fill(broken.any(-1, keepdim=True), torch.nan),
    )


def _launch(query: Tensor, key: Tensor, value: Tensor, fixed: windowed.Setting) -> Observed:
    from regard.kernels.triton.forward import observed

    output = shapes.room(query, *query.shape[:3], value.shape[3])
    lse, entropy, distance = (shapes.room(query, *query.shape[:3], dtype=torch.float32) for _ in range(3))
    received = query.new_zeros((*query.shape[:2], key.shape[2]), dtype=torch.float32)
    seen = shapes.Seen(lse, entropy, distance, received)
    sizes = shapes.blocks(query.shape[3], value.shape[3], query.dtype)
    grid = (query.shape[0] * query.shape[1] * -(-query.shape[2] // sizes.rows),)
    with shapes.on(query):
        observed[grid](
            *(shapes.four(t) for t in (query, key, value, output)),
            seen,
            windowed.numbers(query, key, value, fixed),
            **windowed.meta(query, value, fixed, sizes),
        )
    return Observed(output, *seen)
