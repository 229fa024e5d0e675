"""What the page says of itself: the limits of the reading, what was left out, and how exact its numbers are."""

from __future__ import annotations

from collections.abc import Sequence

from regard.lens.report.detail import Detail
from regard.lens.report.packing import Coded
from regard.lens.sinks import percent
from regard.lens.trace import Trace

LIMITS = (
    "Attention shows where a model reads, not why it answers. Mass received adds up the weights of all queries; under "
    "a causal mask more queries can read an early key."
)


def notes(trace: Trace, detail: Detail, heads: int) -> list[str]:
    """What is missing from the page and how to get it, one sentence each."""
    said = []
    kept = max((layer.top for layer in trace.layers), default=0)
    if not kept:
        said.append("No top keys were kept. To get them: watch(model, top=8), or regard observe --top 8.")
    elif kept > detail.top:
        said.append(f"Of the {kept} top keys kept for each query, this file holds {detail.top}.")
    if kept and detail.top and detail.least:
        said.append(f"Top keys of less than {percent(detail.least)} are left out, save each query's heaviest.")
    if detail.heads is not None and detail.heads < heads:
        said.append(f"Only the first {detail.heads} of {heads} heads are told one by one; the others are in the means.")
    if kept and detail.top and detail.readers is not None and detail.readers < heads:
        said.append(f"Top keys are told of the first {detail.readers} heads.")
    if not detail.each_query:
        said.append("Breadth and distance of single queries are means over a layer's heads.")
    sides = [
        len(edges) - 1 for layer in trace.layers for edges in (layer.row_edges, layer.col_edges) if edges is not None
    ]
    if sides and max(sides) > detail.side:
        said.append(f"Maps have {max(sides)} bins a side; here neighbours are added up to {detail.side} or fewer.")
    left_out = said[1:] if not kept else said
    if left_out:
        said.append("The file is kept under 5 MB: the trace itself holds everything.")
    said.extend(_sampled(trace))
    return said


def _sampled(trace: Trace) -> list[str]:
    sampled = [layer for layer in trace.layers if layer.sampled]
    if not sampled:
        return []
    first = sampled[0]
    return [
        f"Sampled: {len(first.positions):,} of {first.population:,} queries were observed in {len(sampled)} of "
        f"{len(trace.layers)} layers; mass received is an estimate, ± one standard error."
    ]


_NAMES = {
    "mass": "mass received {} %",
    "weights": "weights {} points",
    "map": "map {} %",
    "breadth": "breadth {} %",
    "entropy": "entropy {} nats",
    "distance": "distance {} %",
    "error": "standard errors {} %",
}


def precision(arrays: Sequence[Coded]) -> str:
    """How far off a number on the page may be, by what it is, from the widest step in use."""
    worst: dict[str, float] = {}
    for array in arrays:
        name = array.name.rstrip("0123456789")
        if name in _NAMES:
            worst[name] = max(worst.get(name, 0.0), array.error * (1 if name == "entropy" else 100))
    return ", ".join(text.format(_step(worst[name])) for name, text in _NAMES.items() if name in worst)


def _step(error: float) -> str:
    return f"±{error:.2g}" if error >= 0.001 else "under ±0.001"
