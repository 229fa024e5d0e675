"""Tiles of log2 weights: what every statistic of attention is made of, without the whole matrix.

weight = exp(score - lse) = exp2(log2(e) * (score - lse)). For a straight dot score the lse rides along as one more
coordinate of the queries, against a 1 in every key, so that one matrix product gives the tile (exp2 is four times as
fast as exp in torch on a CPU).

A *lane* is one batch item and one key head with those of its query heads that are asked about. A tile of a lane is
(heads * rows, cols): heads that share a key head lie below each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from regard.kernels import layout, online
from regard.kernels.dot_tiles import DotTiles
from regard.kernels.products import product
from regard.kernels.tiles import Tile
from regard.spec.mask import Block
from regard.spec.place import Place
from regard.spec.request import Request

LOG2E = 1 / math.log(2)
LOW = 1e30  # taken from what is forbidden: its exp2 is 0, and 0 times it is 0, which infinity's would not be
CELLS = 1 << 19  # scores in a tile: 2 MiB of float32; half and double sizes were 1 to 5 % slower
KEPT = 8  # tiles of a mask: those of one strip for all lanes, or those alike along a diagonal
SPAN = 2048  # queries picked here and there: no more than this many from the first to the last of a chunk


@dataclass(frozen=True, slots=True)
class Lane:
    """`heads` are query heads of one key head; `slots` are their places among all the heads asked about."""

    batch: int
    key_head: int
    heads: tuple[int, ...]
    slots: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some of the queries asked about: `part` of them by number, lying within `rows` of the call, at `picked` there."""

    part: slice
    rows: range
    picked: Tensor | None  # int64, relative to rows.start; None when every one of `rows` is asked about

    @property
    def count(self) -> int:
        return int(self.part.stop - self.part.start)


def lanes(place: Place, key_heads: int, heads: tuple[int, ...]) -> list[Lane]:
    """Every lane of a call, batch item by batch item."""
    shared = place.heads // key_heads if key_heads else 1
    found = []
    for batch in range(place.batch):
        for key_head in range(key_heads):
            slots = tuple(slot for slot, head in enumerate(heads) if head // shared == key_head)
            if slots:
                found.append(Lane(batch, key_head, tuple(heads[slot] for slot in slots), slots))
    return found


def chunks(queries: Tensor, height: int, span: int) -> list[Chunk]:
    """`queries` (int64, ascending) in runs of at most `height`, less than `span` from the first to the last."""
    indices = queries.tolist()
    found, start = [], 0
    while start < len(indices):
        stop = start
        while stop < len(indices) and stop - start < height and indices[stop] - indices[start] < span:
            stop += 1
        rows = range(indices[start], indices[stop - 1] + 1)
        picked = None if len(rows) == stop - start else queries[start:stop] - rows.start
        found.append(Chunk(slice(start, stop), rows, picked))
        start = stop
    return found


@dataclass(frozen=True, eq=False)
class LogWeights:
    """Tiles of log2 weights of one call, or of plain log2 scores where no `lse` is given."""

    request: Request
    made: online.Made
    lse: Tensor | None  # (batch, heads, query_len) natural log; -inf in an empty row
    tame: bool  # everything finite and far from LOW: what is forbidden may be taken away by adding -LOW
    keys: Tensor  # (batch, kv_heads, key_len, d): with a column of ones when `folded`
    folded: bool  # the lse rides along in the product
    laid: dict[tuple[Any, ...], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request, made: online.Made, lse: Tensor | None, largest: float | None = None) -> LogWeights:
        """Prepare a call; everything is detached. `largest` is what `reach` says of it, where that is known."""
        largest = reach(request, made) if largest is None else largest
        made = online.Made(made.query.detach(), made.key.detach(), tuple(t.detach() for t in made.learned), made.scores)
        folded = isinstance(made.scores, DotTiles) and made.scores.curve.straight
        ones = made.key.new_ones((*made.key.shape[:-1], 1))
        keys = torch.cat((made.key, ones), -1) if folded and lse is not None else made.key
        lse = None if lse is None else lse.detach().to(made.query.dtype)
        return cls(request, made, lse, tame(request, largest), keys, folded)

    @property
    def span(self) -> int:
        """How far the queries of a chunk may lie apart: masks and biases are laid out for all that lies between."""
        request = self.request
        return SPAN if request.mask is not None or request.biases else max(1, request.place.query_len)

    def spans(self, chunk: Chunk, keys: range, width: int) -> Iterator[tuple[range, Block]]:
        """The runs of `keys`, at most `width` each, that hold anything for these queries: all of a run, or some."""
        for span, answer in layout.spans(self.request.mask, chunk.rows, keys, self.request.place):
            yield from ((cols, answer) for cols in runs(span, width))

    def rows(self, lane: Lane, chunk: Chunk) -> Tensor:
        """(heads, count, d): a lane's queries, made ready for the product."""
        query = self._picked(self.made.query[lane.batch], lane, chunk)
        if not self.folded:
            return query
        assert isinstance(self.made.scores, DotTiles)
        scaled = query * (self.made.scores.scale * LOG2E)
        return scaled if self.lse is None else torch.cat((scaled, -self._floor(lane, chunk)), -1)

    def tile(self, lane: Lane, chunk: Chunk, ready: Tensor, cols: range, answer: Block) -> Tensor:
        """(heads * count, cols) log2 weights; about -LOW where a query may not attend. `ready` comes from `rows`."""
        tile = self.raw(lane, ready, self.keys[lane.batch, lane.key_head, cols.start : cols.stop])
        shown = tile.view(len(lane.heads), chunk.count, -1)
        if not self.folded and self.lse is not None:
            shown.sub_(self._floor(lane, chunk))
        self.lay(shown, lane, chunk, cols, answer)
        return tile

    def raw(self, lane: Lane, ready: Tensor, keys: Tensor) -> Tensor:
        """(heads * rows, cols) log2 scores of `ready` (heads, rows, d) on `keys` (cols, d), before biases and mask, and
        less the log2 of each row's sum where that is folded in."""
        if self.folded:
            return product(ready.flatten(0, 1), keys)
        learned = tuple(t[list(lane.heads)] for t in self.made.learned)
        whole = Tile(range(ready.shape[1]), range(len(keys)), False, 0)
        found = self.made.scores.forward(ready[None], keys[None, None], learned, whole)
        return found[0].flatten(0, 1).mul_(LOG2E)

    def _floor(self, lane: Lane, chunk: Chunk) -> Tensor:
        """(heads, count, 1) log2 of each row's sum; LOW in an empty row, so that its weights are 0. A row whose every
        key is biased below -LOW / 2 counts as empty."""
        assert self.lse is not None
        lse = self._picked(self.lse[lane.batch][..., None], lane, chunk)
        return torch.where(lse < -LOW / 2, LOW, lse * LOG2E)

    def _picked(self, tensor: Tensor, lane: Lane, chunk: Chunk) -> Tensor:
        """tensor (all heads, query_len, x) -> (the lane's heads, the chunk's queries, x)."""
        first, last = lane.heads[0], lane.heads[-1]
        together = lane.heads == tuple(range(first, last + 1))
        some = tensor[first : last + 1] if together else tensor[list(lane.heads)]
        some = some[:, chunk.rows.start : chunk.rows.stop]
        return some if chunk.picked is None else some[:, chunk.picked]

    def lay(self, tile: Tensor, lane: Lane, chunk: Chunk, cols: range, answer: Block) -> None:
        """Put biases and mask over `tile` (heads, count, cols)."""
        request = self.request
        for bias in request.biases:
            added = part(bias.tile(chunk.rows, cols, request.place).detach(), lane, chunk).to(tile.dtype)
            tile.add_((added * LOG2E).clamp_(min=-LOW))
            if not self.tame:
                tile.masked_fill_(torch.isneginf(added), -LOW)
        if answer is Block.MIXED and request.mask is not None:
            if self.tame:
                # one addition: masked_fill_ on a CPU takes fifty times as long
                tile.add_(self._penalty(lane, chunk, cols, tile.dtype))
            else:
                shown = request.mask.tile(chunk.rows, cols, request.place)
                tile.masked_fill_(~part(shown, lane, chunk), -LOW)

    def _penalty(self, lane: Lane, chunk: Chunk, cols: range, dtype: torch.dtype) -> Tensor:
        """0 where the mask allows, -LOW where it forbids; kept where the next lanes or strips will ask for the same."""
        mask = self.request.mask
        assert mask is not None
        alike = mask.relative and chunk.picked is None
        spot = (cols.start - chunk.rows.start, len(chunk.rows), len(cols)) if alike else (chunk.rows, cols)
        if spot not in self.laid:
            if len(self.laid) >= KEPT or not (alike or any(chunk.rows in held for held in self.laid)):
                self.laid.clear()
            self.laid[spot] = mask.tile(chunk.rows, cols, self.request.place)
            if self.laid[spot].numel() == self.laid[spot].shape[-1] * self.laid[spot].shape[-2]:
                self.laid[spot] = _penalised(part(self.laid[spot], lane, chunk), dtype)
        found = self.laid[spot]
        return found if found.dtype == dtype else _penalised(part(found, lane, chunk), dtype)


def part(shown: Tensor, lane: Lane, chunk: Chunk) -> Tensor:
    """A block's tile (up to 4 axes, 1 where it repeats) -> (heads or 1, count or 1, cols or 1) of one lane."""
    shown = shown[(None,) * (4 - shown.dim())]
    shown = shown[lane.batch if shown.shape[0] > 1 else 0]
    if shown.shape[0] > 1:
        shown = shown[list(lane.heads)]
    return shown if chunk.picked is None or shown.shape[1] == 1 else shown[:, chunk.picked]


def reach(request: Request, made: online.Made) -> float:
    """No score before biases is larger than this, in natural units; infinite or NaN where an input is, or near it."""
    query, key = made.query.detach(), made.key.detach()
    if not (query.numel() and key.numel()):
        return 0.0
    if not isinstance(made.scores, DotTiles):
        return largest(query) * largest(key) * max(1, key.shape[-1])
    longest = query.norm(dim=-1).amax() * key.norm(dim=-1).amax()  # Cauchy and Schwarz
    return float(longest) * max(abs(made.scores.scale), torch.finfo(query.dtype).tiny)


def tame(request: Request, reach: float) -> bool:
    """Whether no score and no bias, but one of -inf, comes near LOW; False where anything else is NaN or infinite."""
    biases = (t.detach() for bias in request.biases for t in bias.tensors() if t.numel())
    return reach < LOW / 8 and all(_far(bias) for bias in biases)


def _far(bias: Tensor) -> bool:
    """Whether every number but -inf is far from LOW: a row of biases below -LOW is no empty row."""
    low, high = (float(end) for end in torch.aminmax(bias))
    if low == -math.inf:
        low = float(torch.where(torch.isneginf(bias), 0.0, bias).amin())
    return low > -LOW / 8 and high < LOW / 8


def largest(tensor: Tensor) -> float:
    """The largest magnitude in a tensor that is not empty; NaN where it holds one."""
    low, high = torch.aminmax(tensor.detach())
    return float(torch.maximum(-low, high))


def _penalised(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    return (~allowed).to(dtype).mul_(-LOW)


def runs(span: range, step: int) -> Iterator[range]:
    """`span` cut into runs of at most `step`."""
    return (range(start, min(start + step, span.stop)) for start in range(span.start, span.stop, step))
