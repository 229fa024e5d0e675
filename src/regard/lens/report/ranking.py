"""The heads in the order in which a person should look at them, and the keys that are sinks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from regard.lens.heads import Head
from regard.lens.report.streams import Item
from regard.lens.sinks import Sink
from regard.lens.trace import Trace
from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Ranked:
    """One head as the page lists it. layer: its layer's place in the trace; place: its own on that layer's axis of
    heads; head: its index in the model; reasons: why it stands where it stands, in words."""

    layer: int
    place: int
    head: int
    breadth: float
    distance: float
    unusual: float
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Order:
    """Heads, most unusual first, and what was done about sinks."""

    heads: tuple[Ranked, ...]
    note: str

    def as_json(self) -> dict[str, Any]:
        return {"heads": [each.as_json() for each in self.heads], "note": self.note}


def order(trace: Trace) -> Order:
    """The order with sinks counted."""
    ranking = trace.heads()
    return Order(_rows(trace, ranking.heads), ranking.note)


def order_without_sinks(trace: Trace, sinks: Sequence[Sink]) -> Order | str | None:
    """The order with sinks left out; why there is none, where it needs what the trace has not; None without sinks."""
    if not sinks:
        return None
    try:
        ranking = trace.heads(sinks=False)
    except SpecError as error:
        return str(error)
    return Order(_rows(trace, ranking.heads), ranking.note)


def sink_places(sinks: Sequence[Sink], trace: Trace, item: Item, number: int) -> list[list[int]]:
    """For each sequence of an input (the batch's item `number`) the keys that are sinks, in order."""
    names = [layer.name for layer in trace.layers]
    return [
        sorted(
            {
                sink.key
                for sink in sinks
                if sink.item == number and not {names[place] for place in stream.layers}.isdisjoint(sink.layers)
            }
        )
        for stream in item.streams
    ]


def _rows(trace: Trace, heads: Sequence[Head]) -> tuple[Ranked, ...]:
    layers = {layer.name: place for place, layer in enumerate(trace.layers)}
    return tuple(
        Ranked(
            layer=layers[each.layer],
            place=trace.layers[layers[each.layer]].heads.index(each.head),
            head=each.head,
            breadth=each.breadth,
            distance=each.distance,
            unusual=each.unusual,
            reasons=each.reasons,
        )
        for each in heads
    )
