"""A head's map in tiles of 256 x 256 bytes, at any zoom: coarse ones out of the map that came with the pass, finer ones
computed from the kept queries, keys and sums of rows, each at the price of its own region alone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from regard.app.studio.cutting import Floats, Flow, Places, flow
from regard.app.studio.look import Look
from regard.app.studio.refusals import RefusedError
from regard.lens.trace import Layer

SIDE = 256  # pixels of a tile
KEPT = 512  # bins a side of the map that is made with the pass: two zooms of tiles are cut out of it
_ROUNDED = 2e-5  # of what is taken out: what is left of a bin below that is rounding
_CACHED = 128  # tiles of 64 KiB


@dataclass(frozen=True, eq=False)
class Tile:
    """pixels: (256, 256) uint8, the square root of the weight by the largest. top: that largest, the mean weight that a
    query of its row gives to the keys of its column. queries, keys: what it covers. bins: (rows, cols) it is cut into.
    """

    pixels: bytes
    top: float
    queries: range
    keys: range
    bins: tuple[int, int]


class Tiles:
    """Tiles of looks, the latest of them kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], Tile] = OrderedDict()

    def get(self, look: Look, layer: Layer, head: int, place: tuple[int, int, int], *, sinks: bool) -> Tile:
        """place: (zoom, row, col). Raises `RefusedError` (422) for a tile that is not there."""
        key = (look.id, layer.name, head, place, sinks)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = tile(look, layer, head, place, sinks=sinks)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > _CACHED:
                self._kept.popitem(last=False)
        return made


def deepest(layer: Layer) -> int:
    """The first zoom at which no pixel of a tile stands for more than one unit."""
    longest = max(len(layer.positions), layer.keys, 1)
    return max(0, (-(-longest // SIDE) - 1).bit_length())


def tile(look: Look, layer: Layer, head: int, place: tuple[int, int, int], *, sinks: bool) -> Tile:
    """head: its number. place: (zoom, row, col). sinks=False takes the weight on sink keys out.

    Raises `RefusedError` (422) for a tile that is not there.
    """
    zoom, row, col = place
    if not 0 <= zoom <= deepest(layer):
        raise RefusedError(
            422, f"zoom {zoom}: {layer.name} has zooms 0 to {deepest(layer)}", where="zoom", do="ask for one of them"
        )
    if not (0 <= row < 1 << zoom and 0 <= col < 1 << zoom):
        raise RefusedError(422, f"row {row}, col {col}: zoom {zoom} has {1 << zoom} tiles a side", where="row")
    queries, keys = _span(len(layer.positions), zoom, row), _span(layer.keys, zoom, col)
    if not queries or not keys:
        return Tile(bytes(SIDE * SIDE), 0.0, queries, keys, (0, 0))
    hidden = [] if sinks else [key for key in look.sink_keys(layer) if key in keys]
    made = _flow(look, layer, head, (queries, keys), hidden)
    means = made.weights / np.diff(made.rows)[:, None]
    top = float(means.max(initial=0.0))
    return Tile(_pixels(means, top), top, queries, keys, (len(made.rows) - 1, len(made.cols) - 1))


def _span(length: int, zoom: int, place: int) -> range:
    return range(length * place >> zoom, length * (place + 1) >> zoom)


def _pixels(means: Floats, top: float) -> bytes:
    """Each bin as many pixels wide as fit: pixel p of 256 shows bin p * bins // 256."""
    shares = np.sqrt(means / top) if top > 0 else means
    codes = np.rint(255 * shares).astype(np.uint8)
    across = np.arange(SIDE)
    shown = codes[across * codes.shape[0] // SIDE][:, across * codes.shape[1] // SIDE]
    return bytes(shown.tobytes())


def _flow(look: Look, layer: Layer, head: int, where: tuple[range, range], hidden: list[int]) -> Flow:
    """The weight from each bin of queries to each bin of keys, without the keys that are hidden."""
    queries, keys = where
    made = _of_map(layer, head, queries, keys)
    if made is None:
        place = layer.heads.index(head)
        call, lse = look.calls[layer.name], look.lse(layer)
        made = flow(call, lse, head=place, queries=queries, keys=keys, bins=(SIDE, SIDE))
    for key in hidden:
        own, taken = int(np.searchsorted(made.cols, key, side="right")) - 1, column(look, layer, head, key, made.rows)
        rest = made.weights[:, own] - taken
        made.weights[:, own] = np.where(rest > _ROUNDED * taken, rest, 0.0)
    return made


def column(look: Look, layer: Layer, head: int, key: int, rows: Places) -> Floats:
    """The weight that each bin of queries, whose edges are `rows`, gives to one key."""
    queries, own = range(int(rows[0]), int(rows[-1])), range(key, key + 1)
    call, lse, place = look.calls[layer.name], look.lse(layer), layer.heads.index(head)
    made = flow(call, lse, head=place, queries=queries, keys=own, bins=(len(queries), 1))
    return np.asarray(np.add.reduceat(made.weights[:, 0], rows[:-1] - rows[0]), dtype=np.float64)


def _of_map(layer: Layer, head: int, queries: range, keys: range) -> Flow | None:
    """The region out of the map that came with the pass; None where that is too coarse for it."""
    if layer.map is None or layer.row_edges is None or layer.col_edges is None:
        return None
    rows, cols = _cut(layer.row_edges.numpy(), queries), _cut(layer.col_edges.numpy(), keys)
    if rows is None or cols is None:
        return None
    part = layer.map[0, layer.heads.index(head), rows[0] : rows[-1], cols[0] : cols[-1]].double().numpy()
    part = np.add.reduceat(np.add.reduceat(part, rows[:-1] - rows[0], axis=0), cols[:-1] - cols[0], axis=1)
    return Flow(part, layer.row_edges.numpy()[rows], layer.col_edges.numpy()[cols])


def _cut(edges: Places, span: range) -> Places | None:
    """Places of a map's edges that part a span as a tile is parted; None where the map's bins are wider than that."""
    first, last = np.searchsorted(edges, (span.start, span.stop))
    if last >= len(edges) or edges[first] != span.start or edges[last] != span.stop:
        return None
    bins, wanted = int(last - first), min(SIDE, len(span))
    if bins < wanted:
        return None
    return np.asarray(first + np.arange(wanted + 1) * bins // wanted, dtype=np.int64)


def numbers(look: Look, layer: Layer, head: int, unit: int, *, reads: bool) -> Floats:
    """What a query gives to every key (`reads`), or what every query gives to a key; exact, one number a unit."""
    queries, keys = range(len(layer.positions)), range(layer.keys)
    own = range(unit, unit + 1)
    queries, keys = (own, keys) if reads else (queries, own)
    call, lse, place = look.calls[layer.name], look.lse(layer), layer.heads.index(head)
    made = flow(call, lse, head=place, queries=queries, keys=keys, bins=(len(queries), len(keys)))
    return made.weights.ravel()
