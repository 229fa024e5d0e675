"""A trace's figures as JSON for programs; `docs/report.md` lists every field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from regard.lens.figures import figures
from regard.lens.heads import Head
from regard.lens.report.notes import LIMITS
from regard.lens.report.streams import Item, Stream, items
from regard.lens.sinks import shares
from regard.lens.trace import Layer, Trace

FORMAT = "regard report"
VERSION = 1
HEAVIEST = 20  # keys a sequence, and a head, that are told by name


def as_json(trace: Trace) -> dict[str, Any]:
    """What a program may want to know of a trace, ready for `json.dumps`: no NaN, no tensors.

    format, version; model, about, limits; unseen: [{module, why}]; layers: [{name, kind, mask, heads, keys, queries,
    population, sampled, breadth, distance}], the last two means over heads; heads, most unusual first: [{rank, layer,
    head, breadth, distance, first, busiest, busiest_text, offset, offset_share, unusual, reasons, heaviest}];
    heads_note; sinks: [{item, key, text, share, even, heads, of, layers}]; inputs, one a batch item: [{sequences:
    [{kind, units, layers, mass, heaviest}]}]. `mass` is, unit by unit, the share of the mass in all heads that read
    the sequence (0 for padding), and `heaviest` its 20 largest: [{key, text, share}]. Shares are of 1, entropies in
    nats, distances in units. Single queries and maps are in the trace itself (`Trace.save`).
    """
    ranking = trace.heads()
    batch = items(trace)
    return {
        "format": FORMAT,
        "version": VERSION,
        "model": trace.model,
        "about": dict(trace.about),
        "limits": LIMITS,
        "unseen": [{"module": name, "why": why} for name, why in trace.unseen],
        "layers": _layers(trace),
        "heads": [_head(trace, rank, head) for rank, head in enumerate(ranking.heads, 1)],
        "heads_note": ranking.note,
        "sinks": [{**sink.__dict__, "layers": list(sink.layers)} for sink in trace.sinks()],
        "inputs": [_input(trace, number, item) for number, item in enumerate(batch)],
    }


def _layers(trace: Trace) -> list[dict[str, Any]]:
    every = figures(trace)
    rows = []
    for layer in trace.layers:
        own = [one for one in every if one.layer == layer.name and one.rows]
        rows.append(
            {
                "name": layer.name,
                "kind": layer.kind,
                "mask": layer.mask,
                "heads": list(layer.heads),
                "keys": layer.keys,
                "queries": len(layer.positions),
                "population": layer.population,
                "sampled": layer.sampled,
                "breadth": _mean([one.breadth for one in own]),
                "distance": _mean([one.distance for one in own]),
            }
        )
    return rows


def _head(trace: Trace, rank: int, head: Head) -> dict[str, Any]:
    one, layer = head.figures, trace.layer(head.layer)
    place = layer.heads.index(head.head)
    return {
        "rank": rank,
        "layer": head.layer,
        "head": head.head,
        "breadth": one.breadth,
        "distance": one.distance,
        "first": one.first,
        "busiest": one.busiest,
        "busiest_text": one.busiest_text,
        "offset": one.offset,
        "offset_share": one.offset_share,
        "unusual": head.unusual,
        "reasons": list(head.reasons),
        "heaviest": [_heaviest_of(trace, layer, item, place) for item in range(layer.batch)],
    }


def _heaviest_of(trace: Trace, layer: Layer, item: int, place: int) -> list[dict[str, Any]]:
    return _heaviest(shares(layer, item)[place].tolist(), trace.units_of_keys(layer)[item].texts)


def _input(trace: Trace, number: int, item: Item) -> dict[str, Any]:
    return {"sequences": [_sequence(trace, number, stream) for stream in item.streams]}


def _sequence(trace: Trace, number: int, stream: Stream) -> dict[str, Any]:
    mass = torch.zeros(len(stream.units), dtype=torch.float64)
    for place in stream.layers:
        layer = trace.layers[place]
        received = (layer.received[number].double() * layer.keys_valid[number]).sum(0)[: len(mass)]
        mass[: len(received)] += received
    total = float(mass.sum())
    told = (mass / total if total > 0 else mass).tolist()
    return {
        "kind": stream.units.kind,
        "units": len(stream.units),
        "layers": [trace.layers[place].name for place in stream.layers],
        "mass": told,
        "heaviest": _heaviest(told, stream.units.texts),
    }


def _heaviest(told: Sequence[float], texts: Sequence[str]) -> list[dict[str, Any]]:
    order = sorted(range(min(len(told), len(texts))), key=lambda key: (-told[key], key))[:HEAVIEST]
    return [{"key": key, "text": texts[key], "share": told[key]} for key in order if told[key] > 0]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
