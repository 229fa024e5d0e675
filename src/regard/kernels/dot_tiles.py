"""Tiles of scores of the dot family, and the way back from their gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import online
from regard.kernels.tiles import Tile
from regard.spec.curve import Curve


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
