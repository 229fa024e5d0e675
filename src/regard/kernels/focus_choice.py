"""What a tile of queries reads under a budget: the keys it picks by the sketch, and those that it reads in any case.

Of the keys that all queries of a tile may see, whole blocks are judged by the sketch with a few of the tile's queries.
Shapes: a tile is (rows, groups) queries of one key head.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.kernels.focus import for_all_heads
from regard.kernels.layout import Strip
from regard.kernels.sketch import Sketch
from regard.kernels.sketch_basis import CODE
from regard.spec.budget import BITS, Budget
from regard.spec.mask import Block
from regard.spec.request import Request

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

    @classmethod
    def of(cls, request: Request, strip: Strip, sketch: Sketch) -> Seen:
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
        found = torch.tensor(blocks, dtype=torch.int64, device=device)
        return cls(strip.rows, strip.keys, found, torch.cat([empty, *keys]), forbidden)


@dataclass(frozen=True, eq=False)
class Choice:
    """What one tile reads. keys: int64 (k,): those picked, in order, and from `late` on those that are read in any
    case, which `forbidden`, bool (rows, k - late), keeps from some. blocks: int64 (b,), whose means stand for the
    `unread` (b,) keys of each, of `grain`; both None where every key is read. bytes: that it takes, for each query."""

    rows: range
    keys: Tensor
    late: int
    forbidden: Tensor | None
    blocks: Tensor | None
    unread: Tensor | None
    grain: int
    bytes: float

    @classmethod
    def of(cls, sketch: Sketch, lane: int, query: Tensor, seen: Seen, budget: Budget) -> Choice:
        """query (rows, groups, d). A tile whose budget pays for all that it sees reads that, and so does one that sees
        too little for its budget to hold the sketch."""
        (dim, value_dim), grain = sketch.shape[2:], sketch.policy.grain
        each, rank, inside = (dim + value_dim) * BITS / 8, sketch.basis.rank, len(seen.blocks) * grain
        sketched = rank * dim * BITS / 8 + inside * rank * CODE / 8 + len(seen.blocks) * each  # basis, codes, means
        left = budget.bytes(seen.keys, dim, value_dim) - sketched - len(seen.plain) * each
        count = int(left // each) // STEP * STEP
        if count <= sketch.policy.first or count >= inside or budget.pays_for_all(seen.keys):
            keys = torch.cat((_all_of(seen.blocks, grain), seen.plain))
            return cls(seen.rows, keys, inside, seen.forbidden, None, None, grain, len(keys) * each)
        picked, unread = _picked(sketch, lane, query, seen.blocks, count)
        spent = sketched + (len(seen.plain) + count) * each
        keys = torch.cat((picked, seen.plain))
        return cls(seen.rows, keys, len(picked), seen.forbidden, seen.blocks, unread, grain, spent)

    def at(self, rows: range) -> Choice:
        """For some of the tile's queries."""
        some = slice(rows.start - self.rows.start, rows.stop - self.rows.start)
        return replace(self, rows=rows, forbidden=None if self.forbidden is None else self.forbidden[some])

    def spread(self) -> Tensor:
        """int64 (b * grain,): every key of the blocks, in order."""
        assert self.blocks is not None
        return _all_of(self.blocks, self.grain)


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
