"""What the page reads first of a look: what its units are, its layers and heads, and what stands out."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from regard.app.studio.look import Look
from regard.app.studio.refusals import plain_json
from regard.app.studio.tiles import deepest
from regard.lens.heads import Head, Ranking
from regard.lens.report.index import short_names
from regard.lens.trace import Layer
from regard.lens.trace_view import LIMITS
from regard.lens.units import Units


def picture(look: Look) -> bytes:
    """As JSON."""
    trace = look.trace
    ranking = _ranking(look)
    names = short_names([layer.name for layer in trace.layers])
    heads = {(head.layer, head.head): head for head in ranking}
    values: dict[str, Any] = {
        "look": look.id,
        "subject": look.subject,
        "title": look.title,
        "model": trace.model,
        "about": dict(trace.about),
        "units": units(look.sides[0], look.mass(0).tolist()),
        "others": [units(side, look.mass(place).tolist()) for place, side in enumerate(look.sides) if place],
        "layers": [_layer(look, layer, name, heads) for layer, name in zip(trace.layers, names, strict=True)],
        "ranked": [_ranked(head) for head in ranking],
        "sinks": [
            {
                "side": look.places[sink.layers[0]][1],
                "unit": sink.key,
                "text": sink.text,
                "share": sink.share,
                "words": sink.words(),
                "layers": list(sink.layers),
            }
            for sink in look.sinks
        ],
        "sinks_note": ranking.note,
        "answer": look.answer,
        "picture": look.picture,
        "notes": list(look.notes),
        "limits": LIMITS,
        "unseen": [list(pair) for pair in trace.unseen],
    }
    return plain_json(values)


def units(side: Units, mass: list[float] | None = None) -> dict[str, Any]:
    """A sequence for the page; spans are counted as JavaScript counts them, in UTF-16 units."""
    return {
        "kind": side.kind,
        "count": len(side),
        "texts": list(side.texts),
        "spans": None if side.spans is None else _utf16(side.spans, side.source),
        "source": side.source,
        "grid": None if side.grid is None else list(side.grid),
        "special": side.special,
        "mass": mass,
    }


def _utf16(spans: tuple[tuple[int, int], ...], source: str | None) -> list[list[int]]:
    """Code points beyond the first plane count twice in JavaScript."""
    wide = [place for place, character in enumerate(source or "") if character > "\uffff"]
    return [[start + bisect_left(wide, start), end + bisect_left(wide, end)] for start, end in spans]


def _ranking(look: Look) -> Ranking:
    """As asked for; where sinks cannot be left out, the note says that they are counted."""
    can_hide = all(layer.top_keys is not None for layer in look.trace.layers)
    return look.trace.heads(sinks=look.ranked_sinks or not can_hide)


def _layer(look: Look, layer: Layer, short: str, heads: dict[tuple[str, int], Head]) -> dict[str, Any]:
    queries, keys = look.places[layer.name]
    entropies = layer.entropy[0].mean(-1).tolist() if len(layer.positions) else [0.0] * len(layer.heads)
    return {
        "name": layer.name,
        "short": short,
        "kind": layer.kind,
        "mask": layer.mask,
        "queries": queries,
        "keys": keys,
        "query_count": len(layer.positions),
        "key_count": layer.keys,
        "deepest": deepest(layer),
        "heads": [
            _head(heads[layer.name, head], entropy) for head, entropy in zip(layer.heads, entropies, strict=True)
        ],
    }


def _head(head: Head, entropy: float) -> dict[str, Any]:
    return {
        "head": head.head,
        "breadth": head.breadth,
        "distance": head.distance,
        "entropy": entropy,
        "first": head.figures.first,
        "reasons": list(head.reasons),
        "unusual": head.unusual,
    }


def _ranked(head: Head) -> dict[str, Any]:
    return {"layer": head.layer, "head": head.head, "score": head.unusual, "reasons": list(head.reasons)}
