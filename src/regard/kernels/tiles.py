"""How a call is cut into tiles, and what is known of each tile before it is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from regard.spec.mask import Block, Mask
from regard.spec.place import Place

TILE_ROWS, TILE_COLS = 128, 1024
TILE_SCORES = 1 << 20  # scores a tile over all batch items and heads: 4 MiB of float32, about a core's cache


@dataclass(frozen=True, slots=True)
class Tile:
    """A block of queries and keys; `mixed` says that the mask must be laid over it; `index` numbers it in the call."""

    rows: range
    cols: range
    mixed: bool
    index: int


def row_tiles(place: Place) -> list[range]:
    """The queries in runs of at most TILE_ROWS, fewer where batch and heads are many."""
    lanes = max(1, place.batch * place.heads)
    height = max(8, min(TILE_ROWS, TILE_SCORES // (lanes * min(TILE_COLS, max(1, place.key_len)))))
    return _runs(place.query_len, height)


def tiles(rows: range, place: Place, mask: Mask | None) -> Iterator[Tile]:
    """The tiles of these queries that hold anything, left to right."""
    lanes = max(1, place.batch * place.heads)
    width = max(64, min(TILE_COLS, TILE_SCORES // (lanes * max(1, len(rows)))))
    for cols in _runs(place.key_len, width):
        answer = Block.ALL if mask is None else mask.block(rows, cols, place)
        if answer is not Block.NONE:
            # (row, column) of the first entry names the tile, whichever tiles are skipped
            yield Tile(rows, cols, answer is Block.MIXED, rows.start * (place.key_len + 1) + cols.start)


def _runs(length: int, step: int) -> list[range]:
    return [range(start, min(start + step, length)) for start in range(0, length, step)]
