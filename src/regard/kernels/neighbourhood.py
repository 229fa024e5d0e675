"""Neighbourhoods in an image, tile by tile: a square of queries with the square of keys that any of them may see.

In memory the keys of a neighbourhood are scattered over `2 * reach + 1` rows of the image, so runs of keys hold mostly
keys out of reach. Here TILE x TILE queries and the (TILE + 2 * reach)^2 keys around them (fewer where the image ends)
are gathered, and all tiles are one batch for a kernel that takes a mask. Tiles and key squares at the border are moved
inwards, so that all have one size and no key is made up.

A grid of 64 x 64 with reach 3 costs 196 keys a query: 49 are allowed, and runs of whole image rows would hold 448.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from regard.kernels import exact, streaming
from regard.spec.membership import Dense
from regard.spec.place import Place
from regard.spec.positional import Grid2D
from regard.spec.request import Request

TILE = 8  # queries a side
GATHERED = 1 << 24  # numbers of gathered keys and values in one batch: 64 MiB of float32

Kernel = Callable[[Request], tuple[Tensor, Tensor | None]]


def fits(request: Request) -> str | None:
    """Why this kernel cannot do the request, or None."""
    if not isinstance(request.mask, Grid2D):
        return "is made for a Grid2D mask alone"
    return "takes no bias: it would have to be cut into tiles" if request.biases else None


def run(request: Request, kernel: Kernel = exact.run) -> tuple[Tensor, None]:
    """(output, None), the tiles by `kernel`; differentiable where `kernel` is. Queries that are not whole rows of the
    image go to `streaming`."""
    grid, place = request.mask, request.place
    assert isinstance(grid, Grid2D)
    lanes = place.batch * request.key.shape[1]
    if place.query_start % grid.width or place.query_len % grid.width or 0 in (place.query_len, lanes):
        return streaming.run(request)[0], None
    down, across = sides(grid, place)
    width = request.key.shape[3] + request.value.shape[3]
    height = max(1, GATHERED // max(1, lanes * width * across.tiles * down.window * across.window))  # tiles in a batch
    bands = [_band(request, kernel, down.part(top, top + height), across) for top in range(0, down.tiles, height)]
    image = bands[0] if len(bands) == 1 else torch.cat(bands, 2)
    for axis, side in ((2, down), (3, across)):
        if side.tiles * side.size > side.length:  # the last tile was moved inwards, over its neighbour
            image = image.index_select(axis, side.once().to(image.device))
    return image.flatten(2, 3), None


@dataclass(frozen=True, slots=True)
class Side:
    """One axis of the image, cut into tiles: where each tile's queries and keys begin, in cells of the image."""

    length: int  # cells that hold a query
    size: int  # queries in a tile
    window: int  # keys in a tile
    queries: tuple[int, ...]
    keys: tuple[int, ...]

    @property
    def tiles(self) -> int:
        return len(self.queries)

    def part(self, first: int, last: int) -> Side:
        """Some of the tiles."""
        return replace(self, queries=self.queries[first:last], keys=self.keys[first:last])

    def of_queries(self) -> Tensor:
        """(tiles, size) cells."""
        return torch.tensor(self.queries)[:, None] + torch.arange(self.size)

    def of_keys(self) -> Tensor:
        """(tiles, window) cells."""
        return torch.tensor(self.keys)[:, None] + torch.arange(self.window)

    def once(self) -> Tensor:
        """(length,): where each query lies among those of all tiles, size after size."""
        cells = torch.arange(self.length)
        tile = (cells // self.size).clamp_max(self.tiles - 1)
        return tile * self.size + cells - (torch.tensor(self.queries) - self.queries[0])[tile]


def sides(grid: Grid2D, place: Place) -> tuple[Side, Side]:
    """The image from top to bottom, and from left to right; the queries are whole rows of it."""
    first, count = place.query_start // grid.width, place.query_len // grid.width
    return _side(first, count, grid.height, grid.reach), _side(0, grid.width, grid.width, grid.reach)


def _side(first: int, length: int, whole: int, reach: int) -> Side:
    """The cells `first`.. of an axis of `whole` cells, in tiles; the last tile and the outer keys moved inwards."""
    size, window = min(TILE, length), min(whole, min(TILE, length) + 2 * reach)
    queries = [first + min(start, length - size) for start in range(0, length, max(1, size))]
    keys = [min(max(start - reach, 0), whole - window) for start in queries]
    return Side(length, size, window, tuple(queries), tuple(keys))


def _band(request: Request, kernel: Kernel, down: Side, across: Side) -> Tensor:
    """(batch, heads, down.tiles * down.size, across.tiles * across.size, e): the output of some rows of tiles."""
    grid, place = request.mask, request.place
    assert isinstance(grid, Grid2D)
    first = place.query_start // grid.width
    tops = tuple(top - first for top in down.queries)
    query = _squares(request.query, grid.width, (tops, across.queries), (down.size, across.size))
    key, value = (
        _squares(tensor, grid.width, (down.keys, across.keys), (down.window, across.window))
        for tensor in (request.key, request.value)
    )
    allowed = _near(down, across, grid.reach).to(place.device).repeat_interleave(place.batch, 0)[:, None]
    inner = Place(query.shape[0], place.heads, query.shape[2], key.shape[2], 0, place.device)
    tiles = kernel(replace(request, query=query, key=key, value=value, mask=Dense(allowed), place=inner))[0]
    shape = (down.tiles, across.tiles, place.batch, place.heads, down.size, across.size, tiles.shape[3])
    return tiles.view(shape).permute(2, 3, 0, 4, 1, 5, 6).flatten(2, 3).flatten(3, 4)


Corners = tuple[tuple[int, ...], tuple[int, ...]]  # where squares begin: all pairs of a row and a column


def _squares(tensor: Tensor, width: int, corners: Corners, size: tuple[int, int]) -> Tensor:
    """(batch, heads, length, x) as (squares * batch, heads, cells of a square, x)."""
    image = tensor.reshape(*tensor.shape[:2], tensor.shape[2] // width, width, tensor.shape[3])
    made: Tensor = _Squares.apply(image, corners, size)  # type: ignore[no-untyped-call]
    return made.flatten(0, 1).flatten(2, 3)


class _Squares(torch.autograd.Function):
    """Squares cut out of an image, which may overlap. Slices alone would each send back a whole image."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, corners: Corners, size: tuple[int, int]) -> Tensor:
        """(batch, heads, height, width, x) as (squares, batch, heads, *size, x)."""
        ctx.corners, ctx.size, ctx.shape = corners, size, image.shape
        return torch.stack([_square(image, corner, size) for corner in product(*corners)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        image = grad.new_zeros(ctx.shape)
        for part, corner in zip(grad, product(*ctx.corners), strict=True):
            _square(image, corner, ctx.size).add_(part)
        return image, None, None


def _square(image: Tensor, corner: tuple[int, ...], size: tuple[int, int]) -> Tensor:
    return image[:, :, corner[0] : corner[0] + size[0], corner[1] : corner[1] + size[1]]


@lru_cache(maxsize=64)
def _near(down: Side, across: Side, reach: int) -> Tensor:
    """bool (tiles, queries of a tile, keys of a tile): within reach on both axes."""
    high, wide = (
        (side.of_queries()[:, :, None] - side.of_keys()[:, None, :]).abs() <= reach for side in (down, across)
    )
    both = high[:, None, :, None, :, None] & wide[None, :, None, :, None, :]
    return both.flatten(0, 1).flatten(1, 2).flatten(2, 3)
