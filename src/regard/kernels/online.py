"""Online softmax over tiles, forward and backward, in memory linear in the lengths.

Milakov & Gimelshein 2018 (running maximum and sum), Dao et al. 2022 (recomputing tiles from the lse in the backward
pass). The scores of a tile come from a `TileScores` (dot products, or the additive score); everything else is here.

Shapes inside: query (batch, heads, n, d), key (batch, kv_heads, m, d), value (batch, kv_heads, m, e). A tile of scores
is (batch, heads, rows, cols); with `groups` query heads a key head it is also (batch, kv_heads, groups * rows, cols).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import dropped
from regard.kernels.tiles import Tile, row_tiles, tiles
from regard.spec.bias import Bias
from regard.spec.mask import Mask
from regard.spec.place import Place


class TileScores(Protocol):
    """Scores of one tile, and the way back from their gradient. `learned` are further tensors with gradients."""

    def forward(self, query: Tensor, key: Tensor, learned: tuple[Tensor, ...], tile: Tile) -> Tensor:
        """(batch, heads, rows, cols) scores of a tile, before biases and mask; the caller may write over them."""
        ...

    def backward(
        self,
        grad: Tensor,
        scores: Tensor,
        query: Tensor,
        key: Tensor,
        learned: tuple[Tensor, ...],
        sums: Sums,
        tile: Tile,
    ) -> None:
        """Add what `grad` (at the scores given) sends to query, key and learned tensors into `sums`."""
        ...


@dataclass(frozen=True)
class Sums:
    """Where a backward pass gathers its gradients: zeros of the shapes of query, key, value and the learned tensors."""

    query: Tensor
    key: Tensor
    value: Tensor
    learned: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]


@dataclass(frozen=True)
class Made:
    """A request's queries and keys as its `TileScores` takes them, in the dtype that is computed in."""

    query: Tensor
    key: Tensor
    learned: tuple[Tensor, ...]
    scores: TileScores


@dataclass(frozen=True)
class Setting:
    """What stays fixed over all tiles of a call."""

    place: Place
    mask: Mask | None
    biases: tuple[Bias, ...]
    scores: TileScores
    dropout: float
    seed: int  # of the dropout pattern; the same in both passes


def attend(
    query: Tensor, key: Tensor, value: Tensor, learned: tuple[Tensor, ...], setting: Setting
) -> tuple[Tensor, Tensor]:
    """(output (batch, heads, n, e), lse (batch, heads, n)), differentiable once in every tensor, biases' too."""
    bias_tensors = [t for bias in setting.biases for t in bias.tensors()]
    output, lse = _Online.apply(setting, len(learned), query, key, value, *learned, *bias_tensors)  # type: ignore[no-untyped-call]
    return output, lse


class _Online(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, setting: Setting, count: int, query: Tensor, key: Tensor, value: Tensor, *rest: Tensor
    ) -> tuple[Tensor, Tensor]:
        # each tile multiplies by keys and values: copied once where they do not lie head by head, not tile by tile
        query, key, value = (t.contiguous() for t in (query, key, value))
        output = query.new_zeros(*query.shape[:3], value.shape[3])
        lse = query.new_full(query.shape[:3], -torch.inf)
        clean = _Clean(value)
        for rows in row_tiles(setting.place):
            _forward_rows(setting, rows, (query, key, rest[:count]), clean, output, lse)
        ctx.setting, ctx.count = setting, count
        ctx.save_for_backward(query, key, value, output, lse, *rest)
        return output, lse

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor, grad_lse: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, output, lse, *rest = ctx.saved_tensors
        learned, bias_tensors = tuple(rest[: ctx.count]), tuple(rest[ctx.count :])
        sums = Sums(
            _zeros(query),
            _zeros(key),
            _zeros(value),
            tuple(_zeros(t) for t in learned),
            tuple(_zeros(_at_least(t, query.dtype)) for t in bias_tensors),
        )
        grad_output = grad_output.contiguous()
        delta = (grad_output * output).sum(-1) - grad_lse  # (batch, heads, n): what every weight of a row pays back
        for rows in row_tiles(ctx.setting.place):
            _backward_rows(ctx.setting, rows, (query, key, value, learned), (lse, delta, grad_output), sums)
        to_biases = (made.to(t.dtype) for made, t in zip(sums.biases, bias_tensors, strict=True))
        return (None, None, sums.query, sums.key, sums.value, *sums.learned, *to_biases)


class _Clean:
    """Values with non-finite entries set aside, so that 0 x NaN cannot leak from a key that is not attended to."""

    def __init__(self, value: Tensor) -> None:
        finite = torch.isfinite(value)
        self.finite = bool(finite.all())
        self.value = value if self.finite else torch.where(finite, value, 0.0)
        self.broken = None if self.finite else (~finite).to(value.dtype)

    def weighted(self, weights: Tensor, cols: range, shared: int) -> Tensor:
        """(batch, heads, rows, e): weights · value over a tile; NaN where a broken value carries weight."""
        total = grouped(weights, shared) @ _cut(self.value, cols)
        if self.broken is not None:
            poison = grouped((weights > 0).to(weights.dtype), shared) @ _cut(self.broken, cols)
            total = total.masked_fill(poison > 0, torch.nan)
        return total.view(*weights.shape[:3], total.shape[-1])


def _forward_rows(
    setting: Setting,
    rows: range,
    inputs: tuple[Tensor, Tensor, tuple[Tensor, ...]],
    clean: _Clean,
    output: Tensor,
    lse: Tensor,
) -> None:
    """Fill `output` and `lse` for one run of queries, tile after tile with a running maximum and sum."""
    query, key, learned = inputs
    shared = groups(query, key)
    top = query.new_full((*query.shape[:2], len(rows), 1), -torch.inf)
    total, context = torch.zeros_like(top), output[:, :, rows.start : rows.stop]
    for tile in tiles(rows, setting.place, setting.mask):
        scores = tile_scores(setting, query, key, learned, tile)[0]
        higher = torch.maximum(top, scores.amax(-1, keepdim=True))
        shift = higher.masked_fill(torch.isneginf(higher), 0.0)
        weights = scores.sub_(shift).exp_()
        shrink = torch.exp(top - shift)
        total.mul_(shrink).add_(weights.sum(-1, keepdim=True))
        if setting.dropout:
            weights.mul_(_kept(setting, weights, tile))
        context.mul_(shrink).add_(clean.weighted(weights, tile.cols, shared))
        top = higher
    seen = total > 0
    context.div_(torch.where(seen, total, 1.0))
    log_total = torch.log(total) + top
    lse[:, :, rows.start : rows.stop] = torch.where(seen | total.isnan(), log_total, -torch.inf)[..., 0]


def _backward_rows(
    setting: Setting,
    rows: range,
    inputs: tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...]],
    outer: tuple[Tensor, Tensor, Tensor],
    sums: Sums,
) -> None:
    """Add to `sums` what one run of queries sends back."""
    query, key, value, learned = inputs
    lse, delta, grad = (t[:, :, rows.start : rows.stop] for t in outer)
    shared = groups(query, key)
    floor = lse.masked_fill(torch.isneginf(lse), torch.inf)[..., None]  # exp(score - inf) = 0 in an empty row
    grad_rows = grouped(grad, shared)
    for tile in tiles(rows, setting.place, setting.mask):
        scores, raw, forbidden = tile_scores(setting, query, key, learned, tile, keep_raw=True)
        weights = scores.sub_(floor).exp_()
        kept = _kept(setting, weights, tile) if setting.dropout else None
        dropped = weights if kept is None else weights * kept
        _cut(sums.value, tile.cols).add_(grouped(dropped, shared).mT @ grad_rows)
        back = (grad_rows @ _cut(value, tile.cols).mT).view(weights.shape)
        if kept is not None:
            back.mul_(kept)
        back.sub_(delta[..., None]).mul_(weights)
        if forbidden is not None:
            back.masked_fill_(forbidden, 0.0)
        add_bias_gradients(setting, tile, back, sums.biases)
        setting.scores.backward(back, raw, query, key, learned, sums, tile)


def tile_scores(
    setting: Setting, query: Tensor, key: Tensor, learned: tuple[Tensor, ...], tile: Tile, *, keep_raw: bool = False
) -> tuple[Tensor, Tensor, Tensor | None]:
    """(final scores, scores before biases and mask, entries that mask or biases forbid or None)."""
    raw = setting.scores.forward(query, key, learned, tile)
    final = raw.clone() if keep_raw else raw
    forbidden = None
    if tile.mixed and setting.mask is not None:
        forbidden = ~setting.mask.tile(tile.rows, tile.cols, setting.place)
    for bias in setting.biases:
        added = bias.tile(tile.rows, tile.cols, setting.place).to(final.dtype)
        final.add_(added)
        cut = torch.isneginf(added)
        if bool(cut.any()):  # such an entry forbids as a mask does, even where the score is NaN
            forbidden = cut if forbidden is None else forbidden | cut
    if forbidden is not None:
        final.masked_fill_(forbidden, -torch.inf)
    return final, raw, forbidden


def add_bias_gradients(setting: Setting, tile: Tile, grad: Tensor, sums: tuple[Tensor, ...]) -> None:
    """Send a tile's gradient to the biases' own tensors by differentiating each bias's tile."""
    start = 0
    for bias in setting.biases:
        originals = bias.tensors()
        # many entries may share one number: a bfloat16 sum of them would stop growing at 256 times its first term
        leaves = tuple(_at_least(t.detach(), grad.dtype).requires_grad_() for t in originals)
        with torch.enable_grad():
            shown = bias.with_tensors(leaves).tile(tile.rows, tile.cols, setting.place)
        parts = torch.autograd.grad(shown, leaves, grad.sum_to_size(shown.shape).to(shown.dtype), allow_unused=True)
        for into, part in zip(sums[start : start + len(leaves)], parts, strict=True):
            if part is not None:
                into.add_(part)
        start += len(leaves)


def _kept(setting: Setting, weights: Tensor, tile: Tile) -> Tensor:
    """0 where a weight is dropped, 1 / (1 - dropout) where it stays; the same for a tile in both passes."""
    source = torch.Generator(weights.device).manual_seed((setting.seed + tile.index) % (1 << 63))
    return dropped.kept(weights, setting.dropout, source)


def groups(query: Tensor, key: Tensor) -> int:
    """Query heads to a key head; 1 where there are no heads."""
    return query.shape[1] // key.shape[1] if key.shape[1] else 1


def grouped(tile: Tensor, shared: int) -> Tensor:
    """(batch, heads, rows, x) as (batch, kv_heads, shared * rows, x): heads that share a key head lie side by side."""
    return tile.reshape(tile.shape[0], tile.shape[1] // shared, shared * tile.shape[2], tile.shape[3])


def _at_least(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """`tensor` in its own dtype or `dtype`, whichever is wider."""
    return tensor.to(torch.promote_types(tensor.dtype, dtype))


def _zeros(like: Tensor) -> Tensor:
    return torch.zeros_like(like, memory_format=torch.contiguous_format)


def _cut(tensor: Tensor, span: range) -> Tensor:
    return tensor[:, :, span.start : span.stop]
