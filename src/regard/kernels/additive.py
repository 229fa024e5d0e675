"""The additive score, vector · tanh(q + k), in memory linear in the lengths: no query x key x dim array, ever.

With x = exp(2q) * exp(2k), tanh(q + k) = 1 - 2 / (1 + x). The exponentials are taken once for each query and key, so
the work for a (query, key, dim) triple is one multiply-add and one reciprocal instead of a tanh; and with
r = 1 / (1 + x) the derivative is 4 (r - r^2). Where inputs are too large for exp (|q| or |k| above LIMIT) plain tanh is
used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import online, streaming
from regard.kernels.tiles import Tile
from regard.spec.request import Request
from regard.spec.score import Additive

LIMIT = 8.0  # |q|, |k| up to here: exp(2q) is then exact to 16 float32 roundings, so tanh to 2e-6 at worst
CELLS = 1 << 18  # (query, key, dim) triples at a time: 1 MiB of float32, within a core's second cache


@dataclass(frozen=True)
class AdditiveTiles:
    """vector · tanh(q + k) for a tile. `query` and `key` come as exp(2q) and exp(2k) when `exponential`, else as given.

    `learned` is the one vector, (heads, dim).
    """

    exponential: bool

    def forward(self, query: Tensor, key: Tensor, learned: tuple[Tensor, ...], tile: Tile) -> Tensor:
        (vector,) = learned
        shape = (*query.shape[:2], len(tile.rows), len(tile.cols))
        scores = query.new_empty(shape)
        for piece in _pieces(query, key, tile):
            inner = self._inner(piece)
            weight = vector[piece.head]
            part = scores[piece.batch, piece.head, piece.rows, piece.cols]
            sums = inner.flatten(0, 1) @ (weight * (-2.0 if self.exponential else 1.0))
            part.copy_(sums.view(part.shape))
        return scores.add_(vector.sum(-1)[:, None, None]) if self.exponential else scores

    def backward(
        self,
        grad: Tensor,
        scores: Tensor,
        query: Tensor,
        key: Tensor,
        learned: tuple[Tensor, ...],
        sums: online.Sums,
        tile: Tile,
    ) -> None:
        (vector,) = learned
        for piece in _pieces(query, key, tile):
            part = grad[piece.batch, piece.head, piece.rows, piece.cols]
            inner = self._inner(piece)
            if not self.exponential:
                inner.nan_to_num_(nan=0.0)  # of a pair that is not allowed; of an allowed one `part` is NaN already
            tanh_sum = part.reshape(1, -1) @ inner.flatten(0, 1)  # (1, dim)
            # the tanh's derivative: 4 (r - r^2) or 1 - t^2, then times the score's gradient, in place
            slope = torch.addcmul(inner, inner, inner, value=-1) if self.exponential else inner.square_().neg_().add_(1)
            slope.mul_(part[:, :, None])
            weight = vector[piece.head] * (4.0 if self.exponential else 1.0)
            to_query, to_key = slope.sum(1) * weight, slope.sum(0) * weight
            sums.query[piece.batch, piece.head, tile.rows.start : tile.rows.stop][piece.rows] += to_query
            sums.key[piece.batch, piece.key_head, tile.cols.start : tile.cols.stop][piece.cols] += to_key
            to_vector = part.sum() - 2.0 * tanh_sum[0] if self.exponential else tanh_sum[0]
            sums.learned[0][piece.head] += to_vector

    def _inner(self, piece: _Piece) -> Tensor:
        """(rows, cols, dim): 1 / (1 + x) when exponential, else tanh(q + k)."""
        left, right = piece.query[:, None], piece.key[None]
        if self.exponential:
            return torch.addcmul(left.new_ones(()), left, right).reciprocal_()
        return torch.add(left, right).tanh_()


@dataclass(frozen=True)
class _Piece:
    """One batch item and head, and so few queries and keys of a tile that their triples fit a cache."""

    batch: int
    head: int
    key_head: int
    rows: slice  # within the tile
    cols: slice
    query: Tensor  # (rows, dim)
    key: Tensor  # (cols, dim)


def _pieces(query: Tensor, key: Tensor, tile: Tile) -> Iterator[_Piece]:
    groups = online.groups(query, key)
    width = min(len(tile.cols), 64)
    height = max(1, CELLS // max(1, width * query.shape[3]))
    for batch in range(query.shape[0]):
        for head in range(query.shape[1]):
            rows_of = query[batch, head, tile.rows.start : tile.rows.stop]
            cols_of = key[batch, head // groups, tile.cols.start : tile.cols.stop]
            for top in range(0, len(tile.rows), height):
                for left in range(0, len(tile.cols), width):
                    rows, cols = slice(top, top + height), slice(left, left + width)
                    yield _Piece(batch, head, head // groups, rows, cols, rows_of[rows], cols_of[cols])


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse) for an `Additive` score under any mask and bias."""
    return streaming.finish(request, made(request))


def made(request: Request) -> online.Made:
    """Queries and keys as exponentials where they are small enough, else as given."""
    assert isinstance(request.score, Additive)
    working = torch.promote_types(request.query.dtype, torch.float32)
    query, key = request.query.to(working), request.key.to(working)
    vector = request.score.vector.to(working).expand(query.shape[1], query.shape[3])
    exponential = _largest(query) <= LIMIT and _largest(key) <= LIMIT
    if exponential:
        query, key = _Doubled.of(query), _Doubled.of(key)
    return online.Made(query, key, (vector,), AdditiveTiles(exponential))


def _largest(tensor: Tensor) -> float:
    """The largest absolute entry; NaN counts as too large."""
    if not tensor.numel():
        return 0.0
    low, high = torch.aminmax(tensor.detach())
    return max(-float(low), float(high)) if bool(torch.isfinite(low) & torch.isfinite(high)) else torch.inf


class _Doubled(torch.autograd.Function):
    """exp(2x) forward; the gradient passes straight through, for AdditiveTiles returns the gradient to x itself."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        return torch.exp(2 * x)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        return grad

    @classmethod
    def of(cls, x: Tensor) -> Tensor:
        made: Tensor = cls.apply(x)  # type: ignore[no-untyped-call]
        return made
