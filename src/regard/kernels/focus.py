"""`Focus`: a call under a budget, its prices, and what it cannot do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.focus_allotted import Allotted, spread
from regard.kernels.focus_look import Look
from regard.kernels.focus_way import looked
from regard.kernels.sink import with_sink
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import CODE, rank_of
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.errors import KernelError, SpecError
from regard.spec.mask import Block
from regard.spec.policy import Focus
from regard.spec.request import Request
from regard.spec.score import Dot, General, ScaledDot

LOG2E, LN2 = math.log2(math.e), math.log(2)
SCRATCH = 1 << 24  # numbers of the temporary tensors of some queries, about


@dataclass(frozen=True, eq=False)
class Prices:
    """Bytes of one key head's cache."""

    key: float  # what every key costs: its codes, and its share of the means
    fixed: float  # what a query costs besides: the basis, the keys that are read as they are
    read: float  # a key and its value, rounded

    @classmethod
    def of(cls, sketch: Sketch, tail: int) -> Prices:
        """Where `tail` keys are behind the sketch."""
        return cls.expected(sketch.policy, *sketch.shape[2:], tail)

    @classmethod
    def expected(cls, policy: Focus, dim: int, value_dim: int, tail: int) -> Prices:
        """Before there is a sketch."""
        whole, rank = (dim + value_dim) * BITS / 8, rank_of(policy.sketch, dim)
        codes = rank * CODE / 8 + whole / policy.grain
        bits = min(policy.bits, BITS)
        steps = 0.0 if bits == BITS else whole
        exact = 0 if bits == BITS else policy.exact
        return cls(codes, rank * dim * BITS / 8 + steps + (exact + tail) * whole, (dim + value_dim) * bits / 8)

    def least(self, policy: Focus, seen: int) -> float:
        """The bytes below which a query that sees so many keys cannot be served."""
        return self.fixed + self.key * seen + self.read * (policy.first + 1)

    def keys(self, left: float, seen: int) -> int:
        """How many keys can be read one by one for `left` bytes, by a query that sees so many keys."""
        return math.floor((left - self.fixed - self.key * seen) / self.read)

    def spent(self, seen: int, read: int) -> float:
        """Bytes, by a query that sees so many keys and reads so many of them one by one."""
        return self.fixed + self.key * seen + self.read * read


def focus(request: Request, budget: Budget, sketch: Sketch | None = None) -> Spent:
    """Attend by `Focus` under `budget.fraction` or `budget.keys`; see `regard.kernels.policies.spend`.

    sketch: of this request's keys and values, from earlier calls; it is brought up to date. None: one is made, which
    reads the whole cache once.

    Raises `KernelError` for what this cannot do, and for a budget that the sketch alone would spend, `SpecError` for a
    sketch that was made for another policy, or a key or value that is not finite.
    """
    place, working = request.place, torch.promote_types(request.query.dtype, torch.float32)
    (kv_heads, dim), value_dim, groups = request.key.shape[1::2], request.value.shape[3], request.groups
    lanes, length = place.batch * kv_heads, place.query_len
    made, read = [], []
    for _, look, spent in looks(request, budget, sketch):
        made.append(looked(look))
        read.append(spent.expand(lanes, -1))
    if len(made) == 1:
        output, lse = made[0]
    else:
        nothing = request.query.new_empty(lanes, 0, groups, value_dim, dtype=torch.float32)
        output, lse = (torch.cat(parts, 1) for parts in zip((nothing, nothing[..., 0]), *made, strict=True))
    if groups > 1 and length > 1:  # else their order is the same already, and fewer operations are sooner done
        output, lse = output.transpose(1, 2), lse.transpose(1, 2)
    output, lse = output.reshape(request.output_shape), lse.mul(LN2).reshape(request.output_shape[:3])
    output, lse = with_sink(output, lse, request.sink)
    full = place.key_len * (dim + value_dim) * BITS / 8
    bytes_read = read[0] if len(read) == 1 else torch.cat([lse.new_empty(lanes, 0, dtype=torch.float64), *read], 1)
    bytes_read = bytes_read.reshape(place.batch, kv_heads, length)
    return Spent(output.to(request.query.dtype), lse.to(working), bytes_read, full)


def looks(request: Request, budget: Budget, sketch: Sketch | None) -> Iterator[tuple[range, Look, Tensor]]:
    """(queries, the look they take, its bytes (lanes or 1, queries)), some queries at a time. Raises as `focus`."""
    policy = budget.policy
    assert isinstance(policy, Focus)
    refuse_gradient(request)
    query, unscaled = ready(request, policy)
    if sketch is None:
        sketch = Sketch.of(request.key, request.value, query=unscaled, policy=policy)
    else:
        of_policy(sketch, policy)
        sketch.follow(request.key, request.value)
    place = request.place
    key, value = request.key.flatten(0, 1), request.value.flatten(0, 1)
    prices = Prices.of(sketch, place.key_len - sketch.length)
    step = max(1, SCRATCH // max(1, len(query) * request.groups * place.key_len * 3))
    for start in range(0, place.query_len, step):
        rows = range(start, min(start + step, place.query_len))
        allowed, shape, sizes = seen_by(request, rows)
        allotted, spent = _shares(sketch, budget, prices, shape, sizes)
        yield rows, Look(sketch, query[:, rows.start : rows.stop], key, value, allowed, allotted), spent


def fits(request: Request) -> str | None:
    """Why `Focus` cannot be asked for this, or None. Looks at sizes alone; a mask may still leave too little."""
    budget = request.budget
    if budget is None or not isinstance(budget.policy, Focus):
        return "needs a budget"
    policy, dim = budget.policy, request.key.shape[3]
    if request.biases:
        return "takes no bias"
    if request.mask is not None and request.mask.extent()[1] > 1:
        return "takes a mask that is the same for all heads"
    if dim < 2:
        return f"sketches keys of at least 2 dimensions, got {dim}"
    if request.place.key_len < 2 * policy.grain:
        return f"needs two blocks of {policy.grain} keys, got {request.place.key_len}"
    count, value_dim = request.place.key_len, request.value.shape[3]
    if budget.pays_for_all(count):
        return f"has nothing to leave out: the budget pays for all {count} keys"
    prices = Prices.expected(policy, dim, value_dim, count % policy.grain)
    if budget.tolerance is None and prices.least(policy, count) > budget.bytes(count, dim, value_dim):
        share = prices.least(policy, count) / max(1.0, count * (dim + value_dim) * BITS / 8)
        return f"needs {share:.3f} of the bytes of {count} keys, for their sketch and a few of them beside it"
    return None


def refuse_gradient(request: Request) -> None:
    """Raise `KernelError` where one is wanted: codes and rounded keys have none."""
    if request.wants_gradient():
        raise KernelError("one query at a time has no gradient under a budget: leave kernel= out, or use no_grad()")


def ready(request: Request, policy: Focus) -> tuple[Tensor, Tensor]:
    """The query (lanes, rows, groups, d) with the scale in it, and (batch, heads, rows, d) without; or `KernelError`.
    Both as they are multiplied with keys."""
    name = type(policy).__name__
    if not request.score.dot_family or request.dropout or request.biases:
        raise KernelError(f"{name} takes dot products without bias or dropout: leave the budget out")
    nothing = request.key.new_empty(*request.key.shape[:2], 0, request.key.shape[3], dtype=torch.float32)
    form = request.score.prepare(request.query.float(), nothing)
    if not form.curve.straight or not isinstance(request.score, (Dot, ScaledDot, General)):
        raise KernelError(f"{name} takes ScaledDot, Dot and General without a softcap, got {request.score!r}")
    return by_lanes(form.query * (form.scale * LOG2E), request.groups), form.query


def by_lanes(query: Tensor, groups: int) -> Tensor:
    """(batch, heads, rows, d) as (batch * kv_heads, rows, groups, d)."""
    batch, heads, length, dim = query.shape
    lanes = batch * (heads // groups)
    if groups == 1 or length == 1:
        return query.reshape(lanes, length, groups, dim)
    return query.reshape(lanes, groups, length, dim).transpose(1, 2)


def of_policy(sketch: Sketch, policy: Focus) -> None:
    """Raise `SpecError` for a sketch that was made for another policy."""
    if sketch.policy != policy:
        raise SpecError(
            f"the sketch was made for {sketch.policy!r}, and the budget spends by {policy!r}: make one with "
            "Sketch.of(..., policy=budget.policy)"
        )


def seen_by(request: Request, rows: range) -> tuple[Tensor | None, tuple[int, int], list[int]]:
    """bool (lanes or 1, rows, keys), None where all are allowed; (lanes or 1, rows); how many keys each of these
    queries sees."""
    place, mask = request.place, request.mask
    if mask is None or mask.block(rows, place.cols, place) is Block.ALL:
        return None, (1, len(rows)), [place.key_len] * len(rows)
    tile = for_all_heads(mask.tile(rows, place.cols, place)).expand(-1, len(rows), place.key_len)
    allowed = tile if len(tile) == 1 else tile.repeat_interleave(request.key.shape[1], 0)
    return allowed, (len(allowed), len(rows)), allowed.sum(-1).flatten().tolist()


def for_all_heads(tile: Tensor) -> Tensor:
    """(batch or 1, rows, keys) of a mask's tile; or `KernelError`."""
    tile = tile[(None,) * (4 - tile.dim())]
    if tile.shape[1] != 1:
        raise KernelError("Focus takes a mask that is the same for all heads: leave the budget out")
    return tile[:, 0]


def _shares(
    sketch: Sketch, budget: Budget, prices: Prices, shape: tuple[int, int], sizes: Sequence[int]
) -> tuple[Allotted, Tensor]:
    """Of queries (lanes or 1, rows) that see so many keys: how many of them the budget lets each read one by one, and
    float64 the bytes of all it reads."""
    _, _, dim, value_dim = sketch.shape
    most = {size: prices.keys(budget.bytes(size, dim, value_dim), size) for size in set(sizes)}
    if min(most.values(), default=0) < sketch.policy.first + 1 and most:
        raise KernelError(
            f"{budget!r} is less than the sketch of {min(sizes)} keys takes, with {sketch.policy.first} keys "
            "beside it: give more, or a policy without a sketch such as WindowSinks()"
        )
    many = {size: min(keys, size) for size, keys in most.items()}
    spent, device = {size: prices.spent(size, keys) for size, keys in many.items()}, sketch.codes.device
    allotted = Allotted.of([many[size] for size in sizes], sketch.policy, shape, device)
    return allotted, spread([spent[size] for size in sizes], shape, torch.float64, device)
