"""The arrays of one layer and one input, cut to a detail and coded: mass, figures of each query, top keys, map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regard.lens.report.detail import Detail
from regard.lens.report.packing import Coded, Floats, linear, logarithmic, near, square, whole
from regard.lens.trace import Layer

Ints = NDArray[np.int64]


def mean_mass(layer: Layer, item: int) -> Floats:
    """Mass received by each key, the mean over heads, (keys,); 0 for padding."""
    mass: Floats = layer.received[item].double().numpy().mean(axis=0) * layer.keys_valid[item].numpy()
    return mass


def means(layer: Layer, item: int, index: int, bits: int) -> list[Coded]:
    """The means over a layer's heads: mass received (keys,), and breadth and distance of each real query."""
    rows = layer.queries_valid[item].numpy()
    entropy = layer.entropy[item].double().numpy()[:, rows]
    distance = layer.distance[item].double().numpy()[:, rows]
    return [
        logarithmic(f"mass{index}", mean_mass(layer, item), bits=bits),
        logarithmic(f"breadth{index}", np.exp(entropy).mean(axis=0), bits=8),
        logarithmic(f"distance{index}", distance.mean(axis=0), bits=8),
        *([] if place_range(layer, item) else [whole(f"places{index}", layer.positions.numpy()[rows])]),
    ]


def place_range(layer: Layer, item: int) -> dict[str, int] | None:
    """The real queries as {"since": first place, "count": how many}, or None where places are left out."""
    found = layer.positions.numpy()[layer.queries_valid[item].numpy()]
    if found.size and not np.array_equal(found, np.arange(found[0], found[0] + found.size)):
        return None
    return {"since": int(found[0]) if found.size else 0, "count": int(found.size)}


def by_head(layer: Layer, item: int, heads: Sequence[int], detail: Detail) -> list[Coded]:
    """Mass (heads, keys), its standard error where sampled, and breadth and distance (heads, queries)."""
    chosen = list(heads)
    valid = layer.keys_valid[item].numpy()
    arrays = [logarithmic("mass", layer.received[item, chosen].numpy() * valid, bits=detail.mass_bits)]
    if layer.received_error is not None:
        arrays.append(logarithmic("error", layer.received_error[item, chosen].numpy() * valid, bits=8))
    if detail.each_query:
        rows = layer.queries_valid[item].numpy()
        arrays.append(linear("entropy", layer.entropy[item, chosen].numpy()[:, rows], bits=8))
        arrays.append(logarithmic("distance", layer.distance[item, chosen].numpy()[:, rows], bits=8))
    return arrays


def top(layer: Layer, item: int, heads: Sequence[int], detail: Detail) -> list[Coded]:
    """Top keys and weights, (top, heads, queries): one key's plane after another, which deflates best."""
    if layer.top_keys is None or layer.top_weights is None or not detail.top:
        return []
    chosen, rows = list(heads), layer.queries_valid[item].numpy()
    keys = layer.top_keys[item, chosen].numpy()[:, rows, : detail.top].astype(np.int64)
    weights = layer.top_weights[item, chosen].float().numpy()[:, rows, : detail.top]
    light = weights < detail.least
    light[..., :1] = False
    keys, weights = np.where(light, -1, keys), np.where(light, 0, weights)
    return [
        near("keys", np.ascontiguousarray(keys.transpose(2, 0, 1)), layer.positions.numpy()[rows]),
        square("weights", np.ascontiguousarray(weights.transpose(2, 0, 1)), bits=8),
    ]


def flow(layer: Layer, item: int, heads: Sequence[int], detail: Detail) -> list[Coded]:
    """The map (heads, rows, cols), neighbouring bins added up to at most `detail.side` a side."""
    if layer.map is None or layer.row_edges is None or layer.col_edges is None:
        return []
    mass = layer.map[item, list(heads)].double().numpy()
    mass = np.add.reduceat(mass, _kept(layer.row_edges.numpy(), detail.side)[:-1], axis=1)
    mass = np.add.reduceat(mass, _kept(layer.col_edges.numpy(), detail.side)[:-1], axis=2)
    return [logarithmic("map", mass, bits=8)]


def edges(layer: Layer, detail: Detail) -> dict[str, list[int]] | None:
    """Where the bins of `flow` begin and end: {"rows": on the query axis, "cols": on the key axis}."""
    if layer.row_edges is None or layer.col_edges is None:
        return None
    return {
        name: given.numpy()[_kept(given.numpy(), detail.side)].tolist()
        for name, given in (("rows", layer.row_edges), ("cols", layer.col_edges))
    }


def _kept(edges: NDArray[np.integer], side: int) -> Ints:
    """Which of the edges stay when neighbouring bins are joined."""
    bins = len(edges) - 1
    joined = -(-bins // side)
    return np.append(np.arange(0, bins, joined), bins)
