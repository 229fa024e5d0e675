"""A look: one pass of a model over one input, kept in memory, so that any part of it can be drawn and asked about."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from regard.app.studio.refusals import RefusedError
from regard.lens.sinks import Sink, shares
from regard.lens.trace import Layer, Trace
from regard.lens.units import Units
from regard.spec.request import Request


@dataclass(frozen=True, eq=False)
class Look:
    """trace: the figures. calls: by layer, its queries, keys and mask. answer: the model's, in words, where it gives
    one. picture: a data address, as the model saw it. notes: what a reader must know.

    sides: what the queries and keys of the layers are; several where a decoder reads an encoder. places: by layer, the
    places among the sides of its queries and of its keys.
    """

    subject: str
    title: str
    trace: Trace
    calls: Mapping[str, tuple[Request, ...]]
    answer: str | None = None
    picture: str | None = None
    notes: tuple[str, ...] = ()
    ranked_sinks: bool = True
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    sides: tuple[Units, ...] = field(init=False)
    places: Mapping[str, tuple[int, int]] = field(init=False)
    sinks: tuple[Sink, ...] = field(init=False)

    def __post_init__(self) -> None:
        sides, places = _sides(self.trace)
        object.__setattr__(self, "sides", sides)
        object.__setattr__(self, "places", places)
        object.__setattr__(self, "sinks", self.trace.sinks())

    def layer(self, given: str) -> Layer:
        """A layer by its name or its place. Raises `RefusedError` (404)."""
        for place, layer in enumerate(self.trace.layers):
            if given in (layer.name, str(place)):
                return layer
        raise RefusedError(404, "layer: the look has no such layer", where="layer", do="choose one that it lists")

    def head(self, layer: Layer, given: int) -> int:
        """The place of a head on the layer's axis of heads. Raises `RefusedError` (404)."""
        if given not in layer.heads:
            raise RefusedError(404, f"head: {layer.name} has no head {given}", where="head", do="choose one it lists")
        return layer.heads.index(given)

    def sink_keys(self, layer: Layer) -> list[int]:
        """The keys of a layer that are sinks, ascending."""
        return sorted({sink.key for sink in self.sinks if layer.name in sink.layers})

    def lse(self, layer: Layer) -> Tensor | None:
        """(1, heads, queries) where the layer was one call; several calls make their own."""
        return layer.lse if len(self.calls[layer.name]) == 1 else None

    def mass(self, side: int) -> Tensor:
        """(units,) float64: each unit's mean share of the attention in all heads that read this side."""
        total = torch.zeros(len(self.sides[side]), dtype=torch.float64)
        heads = 0
        for layer in self.trace.layers:
            if self.places[layer.name][1] == side:
                total[: layer.keys] += shares(layer, 0).sum(0)[: len(total)]
                heads += len(layer.heads)
        return total / max(heads, 1)

    @property
    def size(self) -> int:
        """Bytes of what it holds in memory, but for texts."""
        return held(self.calls) + sum(_size(each) for layer in self.trace.layers for each in vars(layer).values())


class Looks:
    """The latest looks: so many at most, and as many as fit in so many bytes."""

    def __init__(self, most: int, count: int) -> None:
        self.most, self.count = most, count
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[Look, bytes, int]] = OrderedDict()

    def put(self, look: Look, page: bytes) -> int:
        """Keeps a look with what the page reads first; those not asked for longest make room. The bytes it takes."""
        size = look.size + len(page)
        with self._lock:
            self._kept[look.id] = (look, page, size)
            while len(self._kept) > 1 and self._full:
                self._kept.popitem(last=False)
        return size

    def __getitem__(self, given: str) -> Look:
        """Raises `RefusedError` (404) for one that is not kept."""
        return self._entry(given)[0]

    def page(self, given: str) -> bytes:
        """What the page reads first, as JSON. Raises as `[...]`."""
        return self._entry(given)[1]

    def drop(self, given: str) -> None:
        """Gives its memory back."""
        with self._lock:
            self._kept.pop(given, None)

    @property
    def size(self) -> int:
        """Bytes of all that are kept."""
        with self._lock:
            return sum(each for _, _, each in self._kept.values())

    @property
    def _full(self) -> bool:
        return len(self._kept) > self.count or sum(each for _, _, each in self._kept.values()) > self.most

    def _entry(self, given: str) -> tuple[Look, bytes, int]:
        with self._lock:
            if given in self._kept:
                self._kept.move_to_end(given)
                return self._kept[given]
        raise RefusedError(
            404, "this look is no longer in memory (newer ones took its place)", where="look", do="look again"
        )


def held(calls: Mapping[str, Sequence[Request]]) -> int:
    """Bytes of the kept queries and keys; a value is its key."""
    return sum(_size(asked.query) + _size(asked.key) for each in calls.values() for asked in each)


def _size(value: object) -> int:
    return value.numel() * value.element_size() if isinstance(value, Tensor) else 0


def _sides(trace: Trace) -> tuple[tuple[Units, ...], dict[str, tuple[int, int]]]:
    """(the sequences, by layer the places of its queries' and keys' sequence); the first is the one most is read of."""
    found: list[Units] = [trace.units[0]]
    places: dict[str, tuple[int, int]] = {}
    for layer in trace.layers:
        pair = trace.units_of_queries(layer)[0], trace.units_of_keys(layer)[0]
        places[layer.name] = (_place(found, pair[0]), _place(found, pair[1]))
    return tuple(found), places


def _place(found: list[Units], units: Units) -> int:
    for place, other in enumerate(found):
        if other is units or (other.kind, other.texts, other.spans) == (units.kind, units.texts, units.spans):
            return place
    found.append(units)
    return len(found) - 1
