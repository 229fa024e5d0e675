"""Focus and periphery for many queries at once: a tile of queries shares a choice of keys, and reads them once.

Of the keys that all queries of a tile may see, whole blocks are judged by the sketch with a few of the tile's queries;
the keys that these give most weight to are read as they are by all, every block's mean key and mean value stand for the
keys of it that were not read. Keys that only some of the tile may see (the diagonal of a causal mask) are read as they
are. So every query weighs the same few hundred columns, in one softmax.

A tile that sees too little for its budget to hold the sketch reads all it sees; its bytes say so.

Shapes: lanes = batch * kv_heads; a tile's rows are queries times the heads that share a key head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.kernels import layout
from regard.kernels.focus import LOG2E, for_all_heads, of_policy, ready
from regard.kernels.layout import Strip
from regard.kernels.products import product
from regard.kernels.sink import with_sink
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import CODE
from regard.kernels.spent import Spent
from regard.spec.budget import BITS, Budget
from regard.spec.mask import Block
from regard.spec.policy import Focus
from regard.spec.request import Request

TALL = 256  # rows of a tile
ASKED = 32  # queries of a tile that judge keys
STEP = 64  # picked keys are a multiple of it: products compile once a shape
FIRST = 3e38
MIDDLE = 2 ** (CODE - 1) - 0.5


@dataclass(frozen=True, eq=False)
class Seen:
    """What a strip of queries sees. blocks: the sketch's blocks that every query sees whole. plain: int64, keys that
    are read as they are; `forbidden`: bool (rows, plain), None where all are allowed."""

    rows: range
    keys: int
    blocks: Tensor
    plain: Tensor
    forbidden: Tensor | None


def tiles(request: Request, budget: Budget, sketch: Sketch | None = None) -> Spent:
    """Attend by `Focus` under `budget.fraction` or `budget.keys`, tile by tile. Raises `KernelError` for what `Focus`
    cannot do. `Spent.bytes` is a tile's reading, for each of its queries."""
    policy = budget.policy
    assert isinstance(policy, Focus)
    with torch.autocast(request.query.device.type, enabled=False):
        query, unscaled = ready(request, policy)  # where a gradient is wanted this says no
        if sketch is None:  # nothing rounded is read here
            sketch = Sketch.of(request.key, request.value, query=unscaled, policy=replace(policy, bits=16))
        else:
            of_policy(sketch, policy)
            sketch.follow(request.key, request.value)
        with torch.no_grad():
            return _tiles(request, budget, query, sketch)


def _tiles(request: Request, budget: Budget, query: Tensor, sketch: Sketch) -> Spent:
    place, kv_heads = request.place, request.key.shape[1]
    key, value = request.key.flatten(0, 1), request.value.flatten(0, 1)
    lanes, length, groups, dim = query.shape
    output, lse = query.new_empty(lanes, length, groups, value.shape[2]), query.new_empty(lanes, length, groups)
    read = torch.empty(lanes, length, dtype=torch.float64)
    for item, part in enumerate(layout.items(request)):
        mine = range(item * kv_heads, (item + 1) * kv_heads) if part is not request else range(lanes)
        for strip in layout.strips(part, max(1, TALL // groups)):
            seen, some = _seen(part, strip, sketch), slice(strip.rows.start, strip.rows.stop)
            left = budget.bytes(seen.keys, dim, value.shape[2])
            for lane in mine:
                output[lane, some], lse[lane, some], read[lane, some] = _tile(
                    sketch, lane, query[lane, some], key[lane], value[lane], seen, left
                )
    shape = request.output_shape
    made, made_lse = output.transpose(1, 2).reshape(shape), (lse / LOG2E).transpose(1, 2).reshape(shape[:3])
    made, made_lse = with_sink(made, made_lse, request.sink)
    full = place.key_len * (dim + value.shape[2]) * BITS / 8
    return Spent(made.to(request.query.dtype), made_lse, read.view(place.batch, kv_heads, length), full)


def _seen(request: Request, strip: Strip, sketch: Sketch) -> Seen:
    grain, place = sketch.policy.grain, request.place
    blocks: list[int] = []
    plain: list[tuple[range, Block]] = []
    for cols, answer in strip.spans:
        if answer is not Block.ALL:
            plain.append((cols, answer))
            continue
        start, stop = -(-cols.start // grain), min(cols.stop, sketch.length) // grain
        blocks += range(start, stop)
        edges = (range(cols.start, start * grain), range(max(start, stop) * grain, cols.stop))
        plain += [(edge, Block.ALL) for edge in (edges if start < stop else (cols,)) if len(edge)]
    device = place.device
    keys = [torch.arange(cols.start, cols.stop, device=device) for cols, _ in plain]
    forbidden = None
    if any(answer is not Block.ALL for _, answer in plain) and request.mask is not None:
        laid = [(for_all_heads(request.mask.tile(strip.rows, cols, place))[0], len(cols)) for cols, _ in plain]
        forbidden = ~torch.cat([tile.expand(len(strip.rows), count) for tile, count in laid], -1)
    empty = torch.empty(0, dtype=torch.int64, device=device)
    return Seen(
        strip.rows,
        strip.keys,
        torch.tensor(blocks, dtype=torch.int64, device=device),
        torch.cat([empty, *keys]),
        forbidden,
    )


def _tile(
    sketch: Sketch, lane: int, query: Tensor, key: Tensor, value: Tensor, seen: Seen, left: float
) -> tuple[Tensor, Tensor, float]:
    """(output (rows, groups, e), log2 of the sum of weights (rows, groups), bytes); query (rows, groups, d)."""
    rows, groups, dim = query.shape
    each = (dim + value.shape[1]) * BITS / 8
    flat = query.reshape(rows * groups, dim)
    rank, inside = sketch.basis.rank, len(seen.blocks) * sketch.policy.grain
    sketched = rank * dim * BITS / 8 + inside * rank * CODE / 8 + len(seen.blocks) * each  # basis, codes, means
    count = int((left - sketched - len(seen.plain) * each) // each) // STEP * STEP
    if count <= sketch.policy.first or count >= inside:
        picked, unread = _all_of(seen.blocks, sketch.policy.grain), None
        spent = (inside + len(seen.plain)) * each
    else:
        picked, unread = _picked(sketch, lane, query, seen.blocks, count)
        spent = sketched + (len(seen.plain) + count) * each
    keys = torch.cat((picked, seen.plain))
    scores = product(flat, key.index_select(0, keys).float())
    if seen.forbidden is not None:
        late = scores.view(rows, groups, -1)[:, :, len(picked) :]
        late.masked_fill_(seen.forbidden[:, None], -torch.inf)
    parts = [(scores, value.index_select(0, keys).float())]
    if unread is not None:
        means = sketch.means[lane].index_select(0, seen.blocks).float()
        around = product(flat, means[:, :dim].contiguous())
        parts.append((around.add_(unread.log2()), means[:, dim:].contiguous()))
    output, total = _summed(parts)
    return output.view(rows, groups, -1), total.view(rows, groups), spent


def _picked(sketch: Sketch, lane: int, query: Tensor, blocks: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(the keys to read, in order; how many keys of each block are left)"""
    grain = sketch.policy.grain
    asked = query[:: max(1, len(query) // ASKED)].flatten(0, 1)
    scores = _judged(sketch, lane, asked, blocks)
    weights = scores.sub_(scores.amax(-1, keepdim=True)).exp2_()
    ranks = (weights.sum(-1).reciprocal_()[None] @ weights)[0]  # the sum of the softmax of each row
    start = _all_of(blocks[: -(-sketch.policy.first // grain)], grain)
    ranks[: len(start)].masked_fill_(start < sketch.policy.first, FIRST)
    index = ranks.topk(count, sorted=False).indices.sort().values
    taken = torch.bincount(index // grain, minlength=len(blocks))
    return blocks[index // grain] * grain + index % grain, (grain - taken).float()


def _judged(sketch: Sketch, lane: int, asked: Tensor, blocks: Tensor) -> Tensor:
    """(asked, blocks * grain): sketch scores."""
    grain, dim, half = sketch.policy.grain, asked.shape[1], sketch.basis.rank // 2
    numbers = asked @ sketch.basis.query[lane % sketch.shape[1]]
    codes = sketch.codes[lane].view(half, -1, grain).index_select(1, blocks).flatten(1)
    wide = torch.cat((codes >> 4, codes & 15)).float()
    means = sketch.means[lane].index_select(0, blocks)[:, :dim].float()
    level = asked @ means.mT - MIDDLE * numbers.sum(-1, keepdim=True)
    scores = numbers @ wide
    scores.view(len(asked), len(blocks), grain).add_(level[..., None])
    return scores


def _all_of(blocks: Tensor, grain: int) -> Tensor:
    return (blocks[:, None] * grain + torch.arange(grain, device=blocks.device)).flatten()


def _summed(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """One softmax over all parts (scores (rows, k), values (k, e)): the output, and log2 of the sum of weights."""
    some = [part for part in parts if part[0].shape[1]]
    if not some:
        scores, values = parts[0]
        return scores.new_zeros(len(scores), values.shape[1]), scores.new_full((len(scores),), -torch.inf)
    top = torch.stack([scores.amax(-1) for scores, _ in some]).amax(0).clamp_min_(torch.finfo(torch.float32).min)
    output, total = None, None
    for scores, values in some:
        weights = scores.sub_(top[:, None]).exp2_()
        found = product(weights, values.mT)
        output = found if output is None else output.add_(found)
        total = weights.sum(-1) if total is None else total.add_(weights.sum(-1))
    assert output is not None
    assert total is not None
    return output.div_(total.clamp_min(torch.finfo(torch.float32).tiny)[:, None]), total.log2() + top
