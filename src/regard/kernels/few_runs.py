"""Which keys few queries may see: runs of keys, and bytes where the mask must be looked at key by key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.mask import Block, Mask
from regard.spec.place import Place
from regard.spec.request import Request

ASKED = 16  # runs that a mask is asked about
SHORTEST = 256  # keys in one of them, at least

_NOTHING = torch.empty(1, 1, 0, 0, dtype=torch.uint8)


@dataclass(frozen=True, eq=False)
class Runs:
    pieces: tuple[int, ...]  # of each run its first key, its end, and a column of `allowed` or -1: all may be seen
    allowed: Tensor  # uint8 (items or 1, heads or 1, queries, columns)
    keys: int  # in all pieces

    @classmethod
    def of(cls, request: Request) -> Runs:
        """Runs that nobody may see are left out."""
        mask, place = request.mask, request.place
        if mask is None:
            return cls._whole(place.cols)
        near = mask.hull(place.rows, place)
        if not near or mask.block(place.rows, near, place) is Block.ALL:
            return cls._whole(near)
        pieces: list[int] = []
        tiles, keys, column = [], 0, 0
        for cols, mixed in _runs(mask, near, place):
            pieces += (cols.start, cols.stop, column if mixed else -1)
            keys += len(cols)
            if mixed:
                tiles.append(_tile(mask, cols, place))
                column += len(cols)
        allowed = torch.cat(tiles, -1) if tiles else _NOTHING
        return cls(tuple(pieces), allowed, keys)

    @classmethod
    def _whole(cls, near: range) -> Runs:
        return cls((near.start, near.stop, -1), _NOTHING, len(near))


def _runs(mask: Mask, near: range, place: Place) -> Iterator[tuple[range, bool]]:
    """(keys, whether some of them may not be seen by all): neighbours of which the same is true are one run."""
    step = max(SHORTEST, -(-len(near) // ASKED))
    start, last = near.start, Block.NONE
    for at in range(near.start, near.stop, step):
        answer = mask.block(place.rows, range(at, min(at + step, near.stop)), place)
        if answer is not last:
            if last is not Block.NONE:
                yield range(start, at), last is Block.MIXED
            start, last = at, answer
    if last is not Block.NONE:
        yield range(start, near.stop), last is Block.MIXED


def _tile(mask: Mask, cols: range, place: Place) -> Tensor:
    """uint8 (items or 1, heads or 1, queries, len(cols))"""
    tile = mask.tile(place.rows, cols, place)
    tile = tile.view((1,) * (4 - tile.dim()) + tuple(tile.shape)) if tile.dim() < 4 else tile
    shape = (*mask.extent(), place.query_len, len(cols))
    return tile.expand(shape).contiguous().view(torch.uint8)
