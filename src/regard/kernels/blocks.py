"""torch's flash attention inside the blocks that a mask leaves: windows, documents, padding, any mask at all.

Each strip of queries (kernels/layout.py) is one call of torch's CPU operation on the keys it needs, side by side, with
the mask laid out over that strip where it is mixed; strips alike along a diagonal are one call together
(kernels/series.py). The backward pass calls torch's backward operation strip by strip and adds up what each sends to
its keys. Linear memory: nothing larger than a strip's mask, or than the output, is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import exact, guard, layout
from regard.kernels.layout import Strip
from regard.kernels.series import Series
from regard.kernels.sink import with_sink
from regard.spec.mask import Block
from regard.spec.padding import Padding
from regard.spec.request import Request
from regard.spec.score import Dot, ScaledDot

LOWEST, HIGHEST = 32, 256  # queries in a strip
KEPT = 4  # laid-out masks that the next strips may share
WASTE = 1 << 15  # scores that take as long as one more call (measured: docs/decisions/)


def fits(request: Request) -> str | None:
    """Why this kernel cannot do the request, or None."""
    if exact.FLASH is None:
        return "needs torch's own CPU operation, which this torch does not show as expected"
    return None if request.groups == 1 or exact.TAKES_GROUPS else "this torch takes no grouped heads as they are"


def run(request: Request) -> tuple[Tensor, None]:
    """(output, None): torch's lse is rougher than float32 where inputs are half types."""
    # a score that changes the vectors would send 0 x NaN back to keys that no strip needs
    if not isinstance(request.score, (Dot, ScaledDot)) and not guard.finite(request.query, request.key):
        return _guarded(request), None
    output = _output(request)
    # whatever else is not finite among the keys that are computed with shows in the output, for 0 x NaN is NaN
    return (output if guard.finite(output) else _guarded(request)), None


def _output(request: Request) -> Tensor:
    with torch.autocast(request.query.device.type, enabled=False):
        form = request.score.prepare(request.query, request.key)
        query, key, value = exact.one_size(form.query, form.key, request.value)
        output, lse = _Blocks.apply(request, form.scale, query, key, value)  # type: ignore[no-untyped-call]
        output, _ = with_sink(output[..., : request.value.shape[3]], lse, request.sink)
        return output.to(request.query.dtype)


def _guarded(request: Request) -> Tensor:
    """The output where inputs are not all finite: 0 in their place, then NaN for each query that may attend to one."""
    query, key, value = (guard.zeroed(t) for t in (request.query, request.key, request.value))
    output = _output(replace(request, query=query, key=key, value=value))
    broken = (guard.broken(request.key)[..., None] | ~torch.isfinite(request.value)).to(torch.float32)
    broken = broken.repeat_interleave(request.groups, 1)  # (batch, heads, key_len, value_dim)
    spoilt = torch.zeros_like(output, dtype=torch.bool)
    for part, (wrong, queries, found) in layout.by_item(request, (broken, request.query, spoilt)):
        for cut in _cuts(part):
            keys = cut.of_keys(wrong)
            seen = keys.new_ones((1, 1, 1, keys.shape[2])) if cut.added is None else ~torch.isneginf(cut.added)
            lost = guard.broken(queries[:, :, cut.rows])[..., None] & (seen != 0).any(-1, keepdim=True)
            found[:, :, cut.rows] = (seen.to(keys.dtype) @ keys > 0) | lost
    return output.masked_fill(spoilt, torch.nan)


@dataclass(frozen=True, eq=False)
class _Cut:
    """One strip of one call: which queries, and how their keys are taken out and put back."""

    rows: slice
    cols: tuple[slice, ...]
    added: Tensor | None  # what mask and biases add, (1 or batch, 1 or heads, rows, keys)

    def of_keys(self, tensor: Tensor) -> Tensor:
        """The strip's keys of (batch, kv_heads, key_len, x), side by side; a view where they lie so."""
        parts = [tensor[:, :, cols] for cols in self.cols]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 2)

    def as_series(self) -> Series:
        """This strip as the first of a series; for one run of keys."""
        (cols,) = self.cols
        return Series(self.rows.start, cols.start, self.rows.stop - self.rows.start, cols.stop - cols.start)

    def add_to(self, sums: Tensor, found: Tensor) -> None:
        """Add `found`, of the strip's keys, to `sums`, of all keys."""
        start = 0
        for cols in self.cols:
            stop = start + cols.stop - cols.start
            sums[:, :, cols] += found[:, :, start:stop]
            start = stop


class _Blocks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, request: Request, scale: float, query: Tensor, key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor]:
        assert exact.FLASH is not None
        output = query.new_empty((*query.shape[:3], value.shape[3]))
        lse = query.new_full(query.shape[:3], -torch.inf, dtype=torch.promote_types(query.dtype, torch.float32))
        for part, (queries, keys, values, out, sums) in layout.by_item(request, (query, key, value, output, lse)):
            for rows in _idle(part):
                out[:, :, rows] = 0
            for cut, series in _together(_cuts(part), alone=part.groups > 1):
                if series is not None:
                    _run_series(series, cut, (queries, keys, values, out, sums), scale)
                    continue
                found, own = exact.FLASH(
                    *(queries[:, :, cut.rows], cut.of_keys(keys), cut.of_keys(values), 0.0, False),
                    attn_mask=cut.added,
                    scale=scale,
                )
                out[:, :, cut.rows] = found
                sums[:, :, cut.rows] = _emptied(own, cut.added)
        ctx.request, ctx.scale = request, scale
        ctx.save_for_backward(query, key, value, output, lse)
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, lse = ctx.saved_tensors
        sizes = query.shape[3], value.shape[3]
        if ctx.request.sink is not None:  # else nothing comes back through the lse
            query, key, value, output, grad = _with_column(query, key, value, output, grad, grad_lse)
        wide = torch.promote_types(query.dtype, torch.float32)
        to_query, to_key, to_value = (t.new_zeros(t.shape, dtype=wide) for t in (query, key, value))
        tensors = (query, key, value, grad, output, lse, to_query, to_key, to_value)
        for part, (q, k, v, pulled, out, sums, dq, dk, dv) in layout.by_item(ctx.request, tensors):
            for cut in _cuts(part):
                rows = cut.rows
                found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                    *(pulled[:, :, rows].contiguous(), q[:, :, rows], cut.of_keys(k), cut.of_keys(v)),
                    *(out[:, :, rows], sums[:, :, rows].nan_to_num(neginf=0.0).contiguous(), 0.0, False),
                    attn_mask=cut.added,
                    scale=ctx.scale,
                )
                dq[:, :, rows] = found[0]
                cut.add_to(dk, found[1])
                cut.add_to(dv, found[2])
        back = (to_query[..., : sizes[0]], to_key[..., : sizes[0]], to_value[..., : sizes[1]])
        return None, None, *(t.to(query.dtype) for t in back)


def _cuts(request: Request) -> Iterator[_Cut]:
    """Every strip that sees a key, ready to be computed: one after the other, for all at once may be a square."""
    laid: dict[tuple[int, ...], Tensor] = {}
    for strip in layout.strips(request, height(request)):
        if strip.spans:
            yield _cut(request, strip, laid)


def _together(cuts: Iterator[_Cut], *, alone: bool) -> Iterator[tuple[_Cut, Series | None]]:
    """Each cut by itself, or the first of several that lie along a diagonal under one laid-out mask, and their series.
    All by themselves where heads share keys (`alone`): their queries are no view of one memory."""
    first: _Cut | None = None
    series: Series | None = None
    for cut in cuts:
        own = None if alone or len(cut.cols) > 1 else cut.as_series()
        if first is not None:
            if series is not None and own is not None and first.added is cut.added and series.takes(own):
                series = replace(series, count=series.count + 1)
                continue
            yield first, _worth(series)
        first, series = cut, own
    if first is not None:
        yield first, _worth(series)


def _worth(series: Series | None) -> Series | None:
    return None if series is None or series.count == 1 else series


def _run_series(series: Series, cut: _Cut, tensors: tuple[Tensor, ...], scale: float) -> None:
    """The strips of a series in one call for each batch item, into output and lse."""
    assert exact.FLASH is not None
    for query, key, value, out, sums in zip(*tensors, strict=True):
        found, own = exact.FLASH(
            *(series.of_queries(query), series.of_keys(key), series.of_keys(value), 0.0, False),
            attn_mask=cut.added,
            scale=scale,
        )
        shape = (series.count, series.rows)
        out[:, series.span].unflatten(1, shape).copy_(found)
        sums[:, series.span].unflatten(1, shape).copy_(_emptied(own, cut.added))


def _idle(request: Request) -> Iterator[slice]:
    """The strips that see no key."""
    found = (strip for strip in layout.strips(request, height(request)) if not strip.spans)
    return (slice(strip.rows.start, strip.rows.stop) for strip in found)


def height(request: Request) -> int:
    """Queries in a strip: the fewer, the more heads share the price of a call; all where nothing is masked, or nothing
    but padding, whose items each have one run of keys for all their queries."""
    place = request.place
    if request.mask is None:
        return place.query_len
    if isinstance(request.mask, Padding) and not request.biases:
        # where queries are padding too, a strip in which they begin has its mask laid out
        return place.query_len if request.mask.query_lengths is None else HIGHEST
    height = HIGHEST
    while height > LOWEST and height * height * place.batch * place.heads > WASTE:
        height //= 2
    return height


def _cut(request: Request, strip: Strip, laid: dict[tuple[int, ...], Tensor]) -> _Cut:
    runs = [cols for cols, _ in layout.touching(strip.spans)]
    mixed = any(answer is Block.MIXED for _, answer in strip.spans)
    cols = tuple(slice(run.start, run.stop) for run in runs)
    rows = slice(strip.rows.start, strip.rows.stop)
    if not (mixed or request.biases):
        return _Cut(rows, cols, None)
    alike = request.mask is not None and request.mask.relative and not request.biases
    spot = (len(strip.rows), *(at - strip.rows.start for run in runs for at in (run.start, run.stop)))
    if alike and spot in laid:
        return _Cut(rows, cols, laid[spot])
    added = torch.cat([_added(request, strip.rows, run) for run in runs], -1)
    if alike:
        if len(laid) >= KEPT:  # a window's strips soon are all alike; those of a causal mask never are
            laid.clear()
        laid[spot] = added
    return _Cut(rows, cols, added)


def _added(request: Request, rows: range, cols: range) -> Tensor:
    """What biases and mask add to a block of scores, in float32 at least: (1 or batch, 1 or heads, rows, cols)."""
    place, wide = request.place, torch.promote_types(request.query.dtype, torch.float32)
    added = torch.zeros((1, 1, len(rows), len(cols)), dtype=wide)
    for bias in request.biases:
        added = added + bias.tile(rows, cols, place).detach().to(wide)
    if request.mask is None:
        return added
    return torch.where(request.mask.tile(rows, cols, place), added, -torch.inf)


def _emptied(lse: Tensor, added: Tensor | None) -> Tensor:
    """torch gives an lse of 0 to a row that sees nothing; here it is -inf."""
    if added is None:
        return lse
    return lse.masked_fill(torch.isneginf(added.amax(-1)), -torch.inf)


def _with_column(
    query: Tensor, key: Tensor, value: Tensor, output: Tensor, grad: Tensor, grad_lse: Tensor
) -> tuple[Tensor, ...]:
    """The tensors one column wider, so that torch's operation, which knows no gradient of the lse, takes it in.

    A score's gradient is weight * (grad · value + grad_lse - grad · output). Values get a 1 and `grad` the grad_lse,
    which adds it to the first product; the output gets a 0, which keeps it out of the second.
    """
    wider = [torch.cat((t, t.new_zeros((*t.shape[:3], 1))), -1) for t in (query, key, output)]
    ones = torch.cat((value, value.new_ones((*value.shape[:3], 1))), -1)
    return wider[0], wider[1], ones, wider[2], torch.cat((grad, grad_lse[..., None].to(grad.dtype)), -1)
