"""Any score of the dot family under any mask and bias, tile by tile, in memory linear in the lengths."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import guard, online
from regard.kernels.sink import with_sink
from regard.kernels.tiles import Tile
from regard.spec.curve import Curve
from regard.spec.request import Request


@dataclass(frozen=True)
class DotTiles:
    """curve(scale * q · k) for a tile of queries and keys."""

    scale: float
    curve: Curve

    def forward(self, query: Tensor, key: Tensor, learned: tuple[Tensor, ...], tile: Tile) -> Tensor:
        rows, cols = query[:, :, tile.rows.start : tile.rows.stop], key[:, :, tile.cols.start : tile.cols.stop]
        flat = online.grouped(rows, online.groups(query, key))
        scores = ((flat * self.scale) @ cols.mT).view(*rows.shape[:3], cols.shape[2])
        return self.curve.apply_(scores)

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
        # a gradient of 0 stays 0 whatever the score, so that a forbidden NaN does not leak
        inner = grad if self.curve.straight else torch.where(grad == 0, 0.0, grad * self.curve.slope(scores))
        rows, cols = query[:, :, tile.rows.start : tile.rows.stop], key[:, :, tile.cols.start : tile.cols.stop]
        groups = online.groups(query, key)
        flat_grad, flat_rows = online.grouped(inner, groups), online.grouped(rows, groups)
        to_query = (flat_grad @ torch.where(torch.isfinite(cols), cols, 0.0)).mul_(self.scale)
        sums.query[:, :, tile.rows.start : tile.rows.stop] += to_query.view(rows.shape)
        to_key = flat_grad.mT @ torch.where(torch.isfinite(flat_rows), flat_rows, 0.0)
        sums.key[:, :, tile.cols.start : tile.cols.stop].add_(to_key, alpha=self.scale)


def run(request: Request) -> tuple[Tensor, Tensor]:
    """(output, lse); computed in float32 for bfloat16 and float16 inputs, else in the input's own dtype."""
    return finish(request, made(request))


def made(request: Request) -> online.Made:
    """The dot form of the request's score."""
    working = torch.promote_types(request.query.dtype, torch.float32)
    form = guard.prepared(request.score, request.query.to(working), request.key.to(working))
    return online.Made(form.query, form.key, (), DotTiles(form.scale, form.curve))


def finish(request: Request, made: online.Made) -> tuple[Tensor, Tensor]:
    """Run the online softmax over these scores, put the sink in, and return to the request's dtype."""
    seed = int(torch.randint(1 << 62, ())) if request.dropout else 0
    setting = online.Setting(request.place, request.mask, request.biases, made.scores, request.dropout, seed)
    value = request.value.to(made.query.dtype)
    output, lse = online.attend(made.query, made.key, value, made.learned, setting)
    output, lse = with_sink(output, lse, request.sink)
    return output.to(request.query.dtype), lse
