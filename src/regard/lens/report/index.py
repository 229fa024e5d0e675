"""The index of a payload: layers, inputs and their texts, and which heads are told one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from regard.lens.report.ranking import Ranked
from regard.lens.report.streams import Item, Stream, shown, unread
from regard.lens.trace import Layer


def first_heads(ranked: Sequence[Ranked], layers: int, count: int | None) -> list[list[int]]:
    """The first `count` heads by rank, for each layer as places on its axis of heads, in order; None for all."""
    chosen: list[list[int]] = [[] for _ in range(layers)]
    for each in ranked[:count]:
        chosen[each.layer].append(each.place)
    return [sorted(places) for places in chosen]


def layer_rows(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """What the page says of each layer."""
    return [
        {
            "name": layer.name,
            "short": short,
            "kind": layer.kind,
            "mask": layer.mask,
            "heads": list(layer.heads),
            "keys": layer.keys,
            "queries": len(layer.positions),
            "population": layer.population,
            "sampled": layer.sampled,
            "top": layer.top,
        }
        for layer, short in zip(layers, short_names([layer.name for layer in layers]), strict=True)
    ]


def short_names(names: Sequence[str]) -> list[str]:
    """Module paths without the parts that all of them share: model.layers.3.self_attn -> 3.

    Paths of unequal length lose only what they share at their beginning.
    """
    parts = [name.split(".") for name in names]
    if len({len(path) for path in parts}) == 1:
        told = [place for place in range(len(parts[0])) if len({path[place] for path in parts}) > 1]
        return [".".join(path[place] for place in told) or path[-1] for path in parts]
    shared = 0
    while len({tuple(path[: shared + 1]) for path in parts}) == 1 and all(len(path) > shared + 1 for path in parts):
        shared += 1
    return [".".join(path[shared:]) for path in parts]


def stream_row(stream: Stream, sinks: Sequence[int]) -> dict[str, Any]:
    """What the index says of one sequence; its texts are in the section text.N."""
    units = stream.units
    return {
        "kind": units.kind,
        "count": len(units),
        "grid": list(units.grid) if units.grid else None,
        "special": units.special,
        "layers": list(stream.layers),
        "sinks": [int(place) for place in sinks],
    }


def texts(item: Item) -> list[dict[str, Any]]:
    """The texts of an input's sequences: what each unit shows, what stands between, and which are padding."""
    rows = []
    for stream in item.streams:
        each, gaps, special = shown(stream.units)
        padding = [place for place, valid in enumerate(stream.valid.tolist()) if not valid]
        told = {"texts": each, "gaps": gaps, "special": special, "padding": padding}
        rows.append({**told, "unread": unread(stream.units)})
    return rows
