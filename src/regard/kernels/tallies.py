"""What a tile of weights is reduced to, at once: one small class for each statistic of attention.

Every tally is shown the tiles one after another (`Piece`) and holds float32 or better. Shapes: `heads` and `queries`
are those asked about, `keys` all keys of the call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from regard.kernels.log_weights import LOG2E, Chunk, Lane, part
from regard.spec.measure import Measure
from regard.spec.place import Place


@dataclass(frozen=True, slots=True)
class Piece:
    """One tile: `weights` and `logs` (log2 of them) are (heads * count, cols); a tally may keep neither, and write into
    `logs` alone: `Entropy`, which is to come first, is the only one to read them; then they are room to work in."""

    lane: Lane
    chunk: Chunk
    cols: range
    logs: Tensor
    weights: Tensor

    @property
    def apart(self) -> tuple[int, int, int]:
        """(heads, count, cols)"""
        return len(self.lane.heads), self.chunk.count, len(self.cols)


class Tally(Protocol):
    """Takes pieces in. `width` is how many keys a tile should have at most for this tally's sake."""

    width: int

    def add(self, piece: Piece) -> None:
        """Take one tile in."""
        ...


class Entropy:
    """-Σ w ln w of every query, (batch, heads, queries), nats."""

    width = 1024

    def __init__(self, like: Tensor, batch: int, heads: int, queries: int) -> None:
        self.total = like.new_zeros(batch, heads, queries)

    def add(self, piece: Piece) -> None:
        sums = piece.logs.mul_(piece.weights).sum(-1) / -LOG2E
        _into(self.total, piece, sums)


class Distance:
    """Σ w |position - key| of every query, (batch, heads, queries); `positions` (queries,) are absolute."""

    width = 1024

    def __init__(self, like: Tensor, batch: int, heads: int, positions: Tensor) -> None:
        self.total = like.new_zeros(batch, heads, len(positions))
        self.positions = positions
        self.spot: tuple[slice, int, int] | None = None  # where `apart`, (count, cols) distances, was last made for
        self.apart = self.total

    def add(self, piece: Piece) -> None:
        # Keys before all of the queries, and keys after all of them, have distances linear in the key's place: two
        # products with vectors. Only the keys in between take a distance of their own for each query.
        positions = self.positions[piece.chunk.part]
        first, last = piece.cols.start, piece.cols.stop
        low = min(max(int(positions[0]), first), last)
        high = min(max(int(positions[-1]) + 1, first), last)
        weights = piece.weights.view(piece.apart)
        keys = torch.arange(first, last, device=weights.device)
        sums = weights.new_zeros(piece.apart[:2])
        # every gap is measured from the side's own edge, so that nothing is subtracted and no digits are lost
        if low > first:
            sums += _linear(weights[..., : low - first], low - keys[: low - first], positions - low)
        if high > low:
            spot = (piece.chunk.part, low, high)
            if spot != self.spot:  # the same for every lane
                places = keys[low - first : high - first].to(weights.dtype)
                self.spot, self.apart = spot, (positions[:, None].to(weights.dtype) - places).abs_()
            between, room = (t[..., low - first : high - first] for t in (weights, piece.logs.view(piece.apart)))
            sums += torch.mul(between, self.apart, out=room).sum(-1)
        if last > high:
            sums += _linear(weights[..., high - first :], keys[high - first :] - high, high - positions)
        _into(self.total, piece, sums)


class Mean:
    """Σ w f of every query for a measure f, (batch, heads, queries)."""

    width = 1024

    def __init__(self, like: Tensor, place: Place, measure: Measure, heads: int, queries: int) -> None:
        self.total = like.new_zeros(place.batch, heads, queries)
        self.place, self.measure = place, measure

    def add(self, piece: Piece) -> None:
        shown = part(self.measure.tile(piece.chunk.rows, piece.cols, self.place), piece.lane, piece.chunk)
        _into(self.total, piece, (piece.weights.view(piece.apart) * shown.to(piece.weights.dtype)).sum(-1))


class Received:
    """Σ over queries of w for every key, (batch, heads, keys); with `squares`, Σ w² as well."""

    width = 1024

    def __init__(self, like: Tensor, batch: int, heads: int, keys: int, *, squares: bool) -> None:
        self.total = like.new_zeros(batch, heads, keys)
        self.squares = torch.zeros_like(self.total) if squares else None

    def add(self, piece: Piece) -> None:
        heads, slots = piece.weights.view(piece.apart), list(piece.lane.slots)
        cols = slice(piece.cols.start, piece.cols.stop)
        for index, (slot, weights) in enumerate(zip(slots, heads, strict=True)):
            self.total[piece.lane.batch, slot, cols] += _column_sums(weights)
            if self.squares is not None:
                room = piece.logs.view(piece.apart)[index]
                self.squares[piece.lane.batch, slot, cols] += _column_sums(torch.mul(weights, weights, out=room))


class Top:
    """The `count` heaviest keys of every query and their weights, heaviest first; -1 and 0 where there are fewer."""

    width = 4096  # few, long rounds: the rounds are what takes the time
    WIDE = 64  # torch's topk takes ten times as long on 128 entries as on 64 (CPU, torch 2.13)

    def __init__(self, like: Tensor, batch: int, heads: int, queries: int, count: int) -> None:
        self.weights = like.new_zeros(batch, heads, queries, count)
        self.keys = torch.full((batch, heads, queries, count), -1, dtype=torch.int64, device=like.device)
        self.places = torch.arange(0, device=like.device)  # // count; longer as longer ones are needed

    def add(self, piece: Piece) -> None:
        weights, keys = self._best(piece.weights)
        keys = torch.where(weights > 0, keys + piece.cols.start, -1)
        spot = (piece.lane.batch, list(piece.lane.slots), piece.chunk.part)
        shape = (*piece.apart[:2], -1)
        if weights.shape[1] == self.weights.shape[-1] and not bool(self.weights[spot].any()):  # the first to come
            self.weights[spot], self.keys[spot] = weights.view(shape), keys.view(shape)
            return
        both = torch.cat((self.weights[spot], weights.view(shape)), -1)
        named = torch.cat((self.keys[spot], keys.view(shape)), -1)
        best, at = both.topk(self.weights.shape[-1], -1)
        self.weights[spot], self.keys[spot] = best, named.gather(-1, at)

    def _best(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, up to count) heaviest weights of a tile (rows, cols), heaviest first, and their columns.

        Columns compete in groups: the `count` heaviest lie in the `count` groups whose maxima are largest.
        """
        count = min(self.weights.shape[-1], weights.shape[1])
        rounds: list[Tensor] = []  # (rows, count) the groups chosen in each
        most = weights.shape[1] + self.WIDE
        while weights.shape[1] > self.WIDE and 2 * count <= self.WIDE:
            weights = pad(weights, (0, -weights.shape[1] % self.WIDE)) if weights.shape[1] % self.WIDE else weights
            shaped = weights.view(len(weights), -1, self.WIDE)  # entry (s, g) is column s * WIDE + g, of group g
            rounds.append(shaped.amax(1).topk(count, -1, sorted=False)[1])
            weights = shaped.gather(2, rounds[-1][:, None].expand(-1, shaped.shape[1], -1)).flatten(1)
        found, at = weights.topk(count, -1)
        for groups in reversed(rounds):  # entry (s, j) came from column s * WIDE + groups[j]
            row = self._places(most, count)[at]
            at = row * self.WIDE + groups.gather(1, at - row * count)
        return found, at

    def _places(self, most: int, count: int) -> Tensor:
        """0..most // count, each `count` times: looked up, for dividing whole numbers takes ten times as long."""
        if len(self.places) < most:
            self.places = torch.arange(most, device=self.places.device) // count
        return self.places


class Flow:
    """Σ of w from each bin of queries to each bin of keys, (batch, heads, row bins, col bins).

    `row_edges` and `col_edges` are ascending indices, one more than there are bins. With `squares`, also the sum over
    queries of their squared weight on each bin of keys; pieces of one chunk must then follow each other.
    """

    width = 1024

    def __init__(
        self, like: Tensor, batch: int, heads: int, queries: Tensor, edges: tuple[Tensor, Tensor], *, squares: bool
    ) -> None:
        row_edges, self.col_edges = edges
        self.row_bins = torch.bucketize(queries, row_edges, right=True) - 1
        self.rows, self.cols = len(row_edges) - 1, len(self.col_edges) - 1
        self.total = like.new_zeros(batch, heads, self.rows, self.cols)
        self.squares = torch.zeros_like(self.total) if squares else None
        self.part: slice | None = None  # the chunk whose shares so far, (batch, heads, count, cols), are in `shares`
        self.shares = self.total
        self.laid: _Laid | None = None

    def add(self, piece: Piece) -> None:
        if self.laid is None or (self.laid.part, self.laid.span) != (piece.chunk.part, piece.cols):
            self.laid = _Laid.over(piece, self.row_bins, self.col_edges)  # the same for every lane
        laid = self.laid
        for slot, weights in zip(piece.lane.slots, piece.weights.view(piece.apart), strict=True):
            # rows first: a tile's queries lie in fewer bins than its keys
            spot = (piece.lane.batch, slot, laid.rows, laid.cols)
            self.total[spot] += (laid.to_rows @ weights) @ laid.to_cols
            if self.squares is not None:
                added = weights @ laid.to_cols  # (count, bins of keys)
                before = self._shares(piece)[piece.lane.batch, slot, :, laid.cols]
                # a bin of keys may lie in several tiles: (before + added)² - before²
                self.squares[spot] += laid.to_rows @ (added * (added + 2 * before))
                before += added

    def _shares(self, piece: Piece) -> Tensor:
        if self.part != piece.chunk.part:
            self.part = piece.chunk.part
            self.shares = self.total.new_zeros(*self.total.shape[:2], piece.chunk.count, self.cols)
        return self.shares


@dataclass(frozen=True)
class _Laid:
    """The bins that a tile's queries and keys lie in: which (slices of all bins), and 1 where one lies in one."""

    part: slice
    span: range
    rows: slice
    cols: slice
    to_rows: Tensor  # (bins of queries, count)
    to_cols: Tensor  # (keys, bins of keys)

    @classmethod
    def over(cls, piece: Piece, row_bins: Tensor, col_edges: Tensor) -> _Laid:
        keys = torch.arange(piece.cols.start, piece.cols.stop)
        col_bins = torch.bucketize(keys, col_edges, right=True) - 1
        own = row_bins[piece.chunk.part]
        rows, to_rows = _indicator(own, int(own[-1]) + 1, piece.weights)
        cols, to_cols = _indicator(col_bins, len(col_edges) - 1, piece.weights)
        return cls(piece.chunk.part, piece.cols, rows, cols, to_rows.mT, to_cols)


def _linear(weights: Tensor, inner: Tensor, outer: Tensor) -> Tensor:
    """(heads, count) Σ over cols of weights (heads, count, cols) * (inner (cols,) + outer (count,))."""
    shared = _shared(weights.flatten(0, 1))
    factors = inner.to(weights.dtype).expand(len(shared), 1, -1)
    moment = torch.bmm(factors, shared.mT).view(weights.shape[:2])
    return moment + weights.sum(-1) * outer.to(weights.dtype)


def _column_sums(weights: Tensor) -> Tensor:
    """(cols,) sums of (rows, cols)."""
    shared = _shared(weights)
    return torch.bmm(shared.new_ones(len(shared), 1, shared.shape[1]), shared).sum((0, 1))


def _shared(weights: Tensor) -> Tensor:
    """(parts, rows / parts, cols): a product with one vector runs on one thread, a batch of them on all."""
    parts = torch.get_num_threads()
    rows, cols = weights.shape
    return weights.view(parts, rows // parts, cols) if rows % parts == 0 else weights[None]


def _indicator(bins: Tensor, count: int, like: Tensor) -> tuple[slice, Tensor]:
    """Those of bins 0..count that `bins` (ascending) lie in, and (len(bins), as many) 1 where an entry lies in one."""
    first, stop = max(0, int(bins[0])), min(count, int(bins[-1]) + 1)
    return slice(first, max(first, stop)), (bins[:, None] == torch.arange(first, max(first, stop))).to(like)


def _into(total: Tensor, piece: Piece, sums: Tensor) -> None:
    """Add (heads * count) or (heads, count) sums of a piece to `total` (batch, heads, queries)."""
    by_head = sums.view(piece.apart[:2])
    for index, slot in enumerate(piece.lane.slots):
        total[piece.lane.batch, slot, piece.chunk.part] += by_head[index]
