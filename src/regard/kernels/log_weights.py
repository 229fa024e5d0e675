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

import torch
from torch import Tensor

from regard.kernels import online
from regard.kernels.products import product
from regard.kernels.streaming import DotTiles
from regard.kernels.tiles import Tile
from regard.spec.mask import Block
from regard.spec.place import Place
from regard.spec.request import Request

LOG2E = 1 / math.log(2)
LOW = 1e30  # taken from what is forbidden: its exp2 is 0, and 0 times it is 0, which infinity's would not be
CELLS = 1 << 19  # scores in a tile: 2 MiB of float32; half and double sizes were 1 to 5 % slower
BLOCK = 256  # keys at a time that the mask is asked about
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
    laid: dict[tuple[range, range], Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, request: Request, made: online.Made, lse: Tensor | None) -> LogWeights:
        """Prepare a call; everything is detached."""
        made = online.Made(made.query.detach(), made.key.detach(), tuple(t.detach() for t in made.learned), made.scores)
        folded = isinstance(made.scores, DotTiles) and made.scores.curve.straight
        ones = made.key.new_ones((*made.key.shape[:-1], 1))
        keys = torch.cat((made.key, ones), -1) if folded and lse is not None else made.key
        lse = None if lse is None else lse.detach().to(made.query.dtype)
        return cls(request, made, lse, _tame(request, made), keys, folded)

    @property
    def span(self) -> int:
        """How far the queries of a chunk may lie apart: masks and biases are laid out for all that lies between."""
        request = self.request
        return SPAN if request.mask is not None or request.biases else max(1, request.place.query_len)

    def spans(self, chunk: Chunk, keys: range, width: int) -> Iterator[tuple[range, Block]]:
        """The runs of `keys`, at most `width` each, that hold anything for these queries: all of a run, or some."""
        mask, place = self.request.mask, self.request.place
        start, held = keys.start, Block.NONE
        for cols in runs(keys, BLOCK):
            answer = Block.ALL if mask is None else mask.block(chunk.rows, cols, place)
            if answer is not held or cols.stop - start > width:
                if held is not Block.NONE and cols.start > start:
                    yield range(start, cols.start), held
                start, held = cols.start, answer
        if held is not Block.NONE and keys.stop > start:
            yield range(start, keys.stop), held

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
        if self.folded:
            tile = product(ready.flatten(0, 1), self.keys[lane.batch, lane.key_head, cols.start : cols.stop])
        else:
            tile = self._scores(lane, ready, cols).mul_(LOG2E)
            if self.lse is not None:
                tile.view(len(lane.heads), chunk.count, -1).sub_(self._floor(lane, chunk))
        self._lay(tile.view(len(lane.heads), chunk.count, -1), lane, chunk, cols, answer)
        return tile

    def _scores(self, lane: Lane, ready: Tensor, cols: range) -> Tensor:
        """Natural scores by way of the kernel's own tiles, for curves and the additive score."""
        key = self.made.key[lane.batch, lane.key_head, cols.start : cols.stop][None, None]
        learned = tuple(t[list(lane.heads)] for t in self.made.learned)
        whole = Tile(range(ready.shape[1]), range(len(cols)), False, 0)
        return self.made.scores.forward(ready[None], key, learned, whole)[0].flatten(0, 1)

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

    def _lay(self, tile: Tensor, lane: Lane, chunk: Chunk, cols: range, answer: Block) -> None:
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
        """0 where the mask allows, -LOW where it forbids; kept for the other lanes where it is the same for all."""
        spot = (chunk.rows, cols)
        if spot not in self.laid:
            self.laid.clear()
            assert self.request.mask is not None
            self.laid[spot] = self.request.mask.tile(chunk.rows, cols, self.request.place)
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


def _tame(request: Request, made: online.Made) -> bool:
    """Whether no score, and no bias from above, comes near LOW; False where anything is NaN or infinite."""
    scale = abs(made.scores.scale) if isinstance(made.scores, DotTiles) else 1.0
    reach = _largest(made.query) * _largest(made.key) * max(1, made.key.shape[-1]) * max(1.0, scale)
    above = (float(t.detach().amax()) for bias in request.biases for t in bias.tensors() if t.numel())
    return reach < LOW / 8 and all(part < LOW / 8 for part in above)


def _largest(tensor: Tensor) -> float:
    low, high = torch.aminmax(tensor) if tensor.numel() else (tensor.new_zeros(()),) * 2
    return float(torch.maximum(-low, high))


def _penalised(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    return (~allowed).to(dtype).mul_(-LOW)


def runs(span: range, step: int) -> Iterator[range]:
    """`span` cut into runs of at most `step`."""
    return (range(start, min(start + step, span.stop)) for start in range(span.start, span.stop, step))
