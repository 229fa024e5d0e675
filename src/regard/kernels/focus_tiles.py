"""Focus and periphery for many queries at once: a tile of queries shares a choice of keys, and reads them once.

The keys that a few of a tile's queries give most weight to, by the sketch, are read as they are by all of them; every
block's mean key and mean value stand for the keys of it that were not read. Keys that only some of the tile may see
(the diagonal of a causal mask) are read as they are. So every query weighs the same few hundred columns, in one
softmax. Gradients flow through what was read (kernels/focus_tile.py), statistics tell the weights of every key.

A tile that sees too little for its budget to hold the sketch reads all it sees; its bytes say so.

Shapes: lanes = batch * kv_heads; a tile's rows are queries times the heads that share a key head.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import focus_tile, layout
from regard.kernels.focus import LOG2E, of_policy, ready
from regard.kernels.focus_choice import Choice, Seen
from regard.kernels.focus_tile import LN2, Shelf, Sums
from regard.kernels.sink import with_sink
from regard.kernels.sketch import Sketch
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.policy import Focus
from regard.spec.request import Request

TALL = 256  # rows of a tile


def tiles(request: Request, budget: Budget, sketch: Sketch | None = None) -> Spent:
    """Attend by `Focus` under `budget.fraction` or `budget.keys`, tile by tile. Raises `KernelError` for what `Focus`
    cannot do. `Spent.bytes` is a tile's reading, for each of its queries. Differentiable once: query, key, value and
    the tensors of the score; the choice of keys is taken as given."""
    with torch.autocast(request.query.device.type, enabled=False):
        call, query = _Call.of(request, budget, sketch)
        place, kv_heads = request.place, request.key.shape[1]
        key, value = request.key.flatten(0, 1), request.value.flatten(0, 1)
        read = torch.empty(query.shape[:2], dtype=torch.float64)
        output, lse = _Attended.apply(call, read, query, key, value)  # type: ignore[no-untyped-call]
        shape = request.output_shape
        made, made_lse = output.transpose(1, 2).reshape(shape), (lse / LOG2E).transpose(1, 2).reshape(shape[:3])
        made, made_lse = with_sink(made, made_lse, request.sink)
        full = place.key_len * (key.shape[2] + value.shape[2]) * BITS / 8
        bytes_read = read.view(place.batch, kv_heads, place.query_len)
        return Spent(made.to(request.query.dtype), made_lse, bytes_read, full)


@torch.no_grad()
def choices(
    request: Request, budget: Budget, sketch: Sketch | None = None
) -> Iterator[tuple[int, Tensor, Shelf, Choice]]:
    """For every tile: its lane, the lane's prepared queries (query_len, groups, d), what it reads from, and what of
    that. As `tiles` reads, outside of autocast."""
    call, query = _Call.of(request, budget, sketch)
    key, value = request.key.flatten(0, 1), request.value.flatten(0, 1)
    for lane, choice in call.choices(query):
        yield lane, query[lane], call.shelf(lane, key, value), choice


@dataclass(frozen=True, eq=False)
class _Call:
    request: Request
    budget: Budget
    sketch: Sketch

    @classmethod
    def of(cls, request: Request, budget: Budget, sketch: Sketch | None) -> tuple[_Call, Tensor]:
        """The call, and its prepared queries (lanes, query_len, groups, d)."""
        policy = budget.policy
        assert isinstance(policy, Focus)
        query, unscaled = ready(request, policy)
        if sketch is None:  # nothing rounded is read here
            unscaled, policy = unscaled.detach(), replace(policy, bits=16)
            sketch = Sketch.of(request.key.detach(), request.value.detach(), query=unscaled, policy=policy)
        else:
            of_policy(sketch, policy)
            sketch.follow(request.key.detach(), request.value.detach())
        return cls(request, budget, sketch), query

    def choices(self, query: Tensor) -> Iterator[tuple[int, Choice]]:
        """(lane, what a tile of its queries reads), strip by strip."""
        request, kv_heads = self.request, self.request.key.shape[1]
        for item, part in enumerate(layout.items(request)):
            mine = range(item * kv_heads, (item + 1) * kv_heads) if part is not request else range(len(query))
            for strip in layout.strips(part, max(1, TALL // query.shape[2])):
                seen = Seen.of(part, strip, self.sketch)
                for lane in mine:
                    asking = query[lane, strip.rows.start : strip.rows.stop]
                    yield lane, Choice.of(self.sketch, lane, asking, seen, self.budget)

    def shelf(self, lane: int, key: Tensor, value: Tensor) -> Shelf:
        return Shelf(key[lane], value[lane], self.sketch.means[lane])


class _Attended(torch.autograd.Function):
    """(output (lanes, query_len, groups, e), log2 of the sum of weights (lanes, query_len, groups)); `read` is filled
    with the bytes."""

    @staticmethod
    def forward(ctx: Any, call: _Call, read: Tensor, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, ...]:
        output, lse = query.new_empty(*query.shape[:3], value.shape[2]), query.new_empty(query.shape[:3])
        kept: list[tuple[int, Choice]] | None = [] if any(ctx.needs_input_grad) else None
        for lane, choice in call.choices(query):
            some = slice(choice.rows.start, choice.rows.stop)
            output[lane, some], lse[lane, some] = focus_tile.attended(
                choice, query[lane, some], call.shelf(lane, key, value)
            )
            read[lane, some] = choice.bytes
            if kept is not None:
                kept.append((lane, choice))
        ctx.call, ctx.kept = call, kept
        ctx.save_for_backward(query, key, value, output, lse)
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, lse = ctx.saved_tensors
        call: _Call = ctx.call
        level = grad_lse - LN2 * (grad * output).sum(-1)
        means = call.sketch.means.new_zeros(call.sketch.means.shape, dtype=torch.float32)
        to_key, to_value = (torch.zeros_like(each, dtype=torch.float32) for each in (key, value))
        sums = Sums(to_key, to_value, means)
        to_query = torch.zeros_like(query)
        for lane, choice in ctx.kept:
            some, own = slice(choice.rows.start, choice.rows.stop), Sums(sums.key[lane], sums.value[lane], means[lane])
            upstream, shelf = (grad[lane, some], level[lane, some]), call.shelf(lane, key, value)
            to_query[lane, some] = focus_tile.sent_back(
                choice, query[lane, some], shelf, lse[lane, some], upstream, own
            )
        _shared(sums, call.sketch)
        return None, None, to_query, sums.key.to(key.dtype), sums.value.to(value.dtype)


def _shared(sums: Sums, sketch: Sketch) -> None:
    """Hands the gradients of means on to the keys and values that they are the means of."""
    grain, length, dim = sketch.policy.grain, sketch.length, sums.key.shape[2]
    each = sums.means[:, : length // grain].div(grain).repeat_interleave(grain, 1)
    sums.key[:, :length] += each[..., :dim]
    sums.value[:, :length] += each[..., dim:]
