"""A call under a budget, cut into runs of queries that are worked off one after the other.

Shapes inside: heads are split into (kv_heads, groups), for the heads of one key head choose together and read once. An
axis of 1 stands for one that repeats: a causal mask is laid out once for all items and heads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import guard
from regard.kernels.sink import with_sink
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.curve import Curve
from regard.spec.errors import KernelError
from regard.spec.request import Request

SCRATCH = 1 << 26  # bytes that the temporary tensors of one part may take, about
TILES = 3  # of (heads, keys) that a query needs at once

Read = tuple[Tensor, Tensor, Tensor]  # output (batch, kv_heads, groups, rows, e), lse of that, bytes


@dataclass(frozen=True, eq=False)
class Part:
    """A run of queries, and which of the first `keys` keys each may see; beyond them no query of the run sees any."""

    rows: range
    keys: int
    allowed: Tensor  # bool (batch or 1, kv_heads or 1, groups or 1, rows, keys), biases of -inf taken out
    bias: Tensor | None  # the sum of all, (batch or 1, kv_heads or 1, groups or 1, rows, keys)
    seen: Tensor  # bool (batch or 1, kv_heads or 1, rows, keys): some head of the group may see the key
    count: Tensor  # int64 (batch or 1, kv_heads or 1, rows): seen keys

    def order(self) -> Tensor:
        """int32, the shape of `seen`: a seen key's number among those its query sees, from 1."""
        return self.seen.cumsum(-1, dtype=torch.int32)

    def cut(self, some: slice) -> Part:
        """Some neighbouring queries of the run as a part of its own."""
        bias = None if self.bias is None else self.bias[..., some, :]
        return Part(
            self.rows[some],
            self.keys,
            self.allowed[..., some, :],
            bias,
            self.seen[:, :, some],
            self.count[..., some],
        )


@dataclass(frozen=True, eq=False)
class Call:
    """A request in the form that policies work on, all in float32 or better and without gradient."""

    request: Request
    budget: Budget
    query: Tensor  # (batch, kv_heads, groups, query_len, d), the score's scale multiplied in
    key: Tensor  # (batch, kv_heads, key_len, d)
    value: Tensor  # (batch, kv_heads, key_len, value_dim)
    curve: Curve
    sound: bool  # every value is finite

    @classmethod
    def of(cls, request: Request, budget: Budget) -> Call:
        """Raises `KernelError` for what no policy can do."""
        name = type(budget.policy).__name__
        if not request.score.dot_family:
            score = type(request.score).__name__
            raise KernelError(
                f"{name} reads keys by dot products, got the score {score}: use Dot() or another of its kind"
            )
        if request.dropout:
            raise KernelError(f"{name} has no dropout, got dropout={request.dropout}: pass 0, or no budget")
        if request.wants_gradient():
            raise KernelError(f"{name} gives no gradient: call it under torch.no_grad(), or give no budget")
        working = torch.promote_types(request.query.dtype, torch.float32)
        made = request.score.prepare(request.query.to(working), request.key.to(working))
        batch, _, length, dim = made.query.shape
        query = (made.query * made.scale).reshape(batch, request.key.shape[1], request.groups, length, dim)
        value = request.value.to(working).contiguous()
        return cls(request, budget, query, made.key.contiguous(), value, made.curve, guard.finite(value))

    @property
    def dims(self) -> tuple[int, int]:
        """Numbers in a key and in a value, as they lie in the cache."""
        return self.request.key.shape[3], self.request.value.shape[3]

    @property
    def each(self) -> float:
        """Bytes of one key and its value."""
        return sum(self.dims) * BITS / 8

    @property
    def lanes(self) -> tuple[int, int]:
        """(batch, kv_heads)"""
        return self.key.shape[0], self.key.shape[1]

    def limit(self, count: Tensor) -> Tensor:
        """float64, the shape of `count`: the bytes that a query may read that sees so many keys."""
        counts, which = torch.unique(count, return_inverse=True)
        allowed = [self.budget.bytes(each, *self.dims) for each in counts.tolist()]
        return torch.tensor(allowed, dtype=torch.float64, device=count.device)[which]

    def queries(self, part: Part) -> Tensor:
        """(batch, kv_heads, groups, rows, d)"""
        return self.query[:, :, :, part.rows.start : part.rows.stop]

    def parts(self) -> Iterator[Part]:
        """All queries, in runs whose temporary tensors stay below about SCRATCH bytes (or of one query)."""
        place = self.request.place
        most = place.key_len if not self.each else int(self.budget.bytes(place.key_len, *self.dims) / self.each) + 1
        gathered = self.key.shape[1] * most * (self.key.shape[3] + self.value.shape[3])
        numbers = place.batch * (gathered + TILES * place.heads * place.key_len)
        step = max(1, SCRATCH // (self.key.element_size() * max(1, numbers)))
        for start in range(0, place.query_len, step):
            yield self.part(range(start, min(start + step, place.query_len)))

    def part(self, rows: range) -> Part:
        """What these queries may see."""
        request, place = self.request, self.request.place
        stop = place.key_len if request.mask is None else min(place.key_len, request.mask.hull(rows, place).stop)
        cols = range(max(1, stop))
        allowed = torch.ones((1, 1, 1, len(rows), len(cols)), dtype=torch.bool, device=self.key.device)
        bias = None
        for each in request.biases:
            tile = self._grouped(each.tile(rows, cols, place).detach().to(self.key.dtype))
            allowed = allowed & (tile != -torch.inf)
            bias = tile if bias is None else bias + tile
        if request.mask is not None:
            allowed = allowed & self._grouped(request.mask.tile(rows, cols, place))
        bias = None if bias is None else bias.expand(*bias.shape[:3], len(rows), len(cols))
        seen = allowed.any(2)
        return Part(rows, len(cols), allowed, bias, seen, seen.sum(-1))

    def _grouped(self, tile: Tensor) -> Tensor:
        """(..., rows or 1, cols or 1) as (batch or 1, kv_heads or 1, groups or 1, rows or 1, cols or 1)."""
        tile = tile[(None,) * (4 - tile.dim())]
        heads = (1, 1) if tile.shape[1] == 1 else (self.query.shape[1], self.query.shape[2])
        return tile.reshape(tile.shape[0], *heads, *tile.shape[2:])


def worked_off(request: Request, budget: Budget, begin: Callable[[Call], Callable[[Part], Read]]) -> Spent:
    """Work a request off part by part. `begin` looks at the whole call once and gives what is done with each part."""
    dims = request.key.shape[3], request.value.shape[3]
    full = request.place.key_len * sum(dims) * BITS / 8
    call = Call.of(request, budget)
    batch, kv_heads, groups, length = call.query.shape[:4]
    output = call.value.new_zeros((batch, kv_heads, groups, length, dims[1]))
    lse = call.value.new_full(output.shape[:4], -torch.inf)
    spent = torch.zeros((batch, kv_heads, length), dtype=torch.float64, device=call.key.device)
    if lse.numel() and request.place.key_len:
        step = begin(call)
        for part in call.parts():
            rows = slice(part.rows.start, part.rows.stop)
            output[:, :, :, rows], lse[:, :, :, rows], spent[:, :, rows] = step(part)
    whole, sums = with_sink(output.view(request.output_shape), lse.view(request.output_shape[:3]), request.sink)
    return Spent(whole.to(request.query.dtype), sums, spent, full)
