"""A trace as what the page reads: an index (JSON), and sections of coded arrays that are unpacked when they are needed.

The page holds what a file under `LIMIT` bytes can: `RUNGS` are tried from everything down, and what was left out is
said in words (the index's "notes").
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from regard.lens.report import sections
from regard.lens.report.detail import RUNGS, Detail
from regard.lens.report.index import first_heads, layer_rows, stream_row, texts
from regard.lens.report.notes import LIMITS, notes, precision
from regard.lens.report.packing import Coded, deflated, section
from regard.lens.report.ranking import Order, order, order_without_sinks, sink_places
from regard.lens.report.streams import Item, items
from regard.lens.trace import Trace

LIMIT = 4_900_000  # bytes of everything that is written: under 5 MB with some room
_CODE = 120_000  # bytes of page, script and style around the payload


@dataclass(frozen=True, eq=False)
class Payload:
    """index: what the page reads first. sections: by name, the rest, deflated and in base64. detail: what it holds."""

    index: Mapping[str, Any]
    sections: Mapping[str, str]
    detail: Detail

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return len(json.dumps(self.index)) + sum(len(part) + 64 for part in self.sections.values())


def pack(trace: Trace, *, title: str, images: Sequence[str | None] = (), limit: int | None = None) -> Payload:
    """Everything the page shows of a trace. images: a data address for each input, or None.

    limit: bytes of the whole file, `LIMIT` when None; the finest rung that fits is taken, else the last one.
    """
    images = tuple(images) or (None,) * len(trace.units)
    room = (LIMIT if limit is None else limit) - _CODE - sum(len(image) for image in images if image)
    maker = _Maker(trace, title, images)
    fits = bisect_left(RUNGS, True, hi=len(RUNGS) - 1, key=lambda detail: maker.made(detail).size <= room)
    return maker.made(RUNGS[fits])


@dataclass(frozen=True, eq=False)
class _Packed:
    arrays: Sequence[Coded]
    text: str


class _Maker:
    """Packs one trace at one detail after another; a section that two details share is packed once."""

    def __init__(self, trace: Trace, title: str, images: Sequence[str | None]) -> None:
        self.trace, self.title, self.images = trace, title, images
        self.items = items(trace)
        self.order, sinks = order(trace), trace.sinks()
        self.without = order_without_sinks(trace, sinks)
        self.sinks = [sink_places(sinks, trace, item, number) for number, item in enumerate(self.items)]
        self.texts = [deflated(json.dumps(texts(item)).encode()) for item in self.items]
        self.cache: dict[tuple[object, ...], _Packed] = {}

    def made(self, detail: Detail) -> Payload:
        packed: dict[str, _Packed] = {}
        shapes = [self._item(number, item, detail, packed) for number, item in enumerate(self.items)]
        used = {name: part for name, part in packed.items() if part.arrays}
        index = {
            "title": self.title,
            "model": self.trace.model,
            "about": dict(self.trace.about),
            "unseen": [list(pair) for pair in self.trace.unseen],
            "limits": LIMITS,
            "notes": notes(self.trace, detail, len(self.order.heads)),
            "precision": precision([array for part in used.values() for array in part.arrays]),
            "layers": layer_rows(self.trace.layers),
            "items": shapes,
            "order": self.order.as_json(),
            "without": self.without.as_json() if isinstance(self.without, Order) else self.without,
            "sections": {name: [array.header() for array in part.arrays] for name, part in used.items()},
        }
        parts = {f"text.{number}": text for number, text in enumerate(self.texts)}
        return Payload(index, parts | {name: part.text for name, part in used.items()}, detail)

    def _item(self, number: int, item: Item, detail: Detail, packed: dict[str, _Packed]) -> dict[str, Any]:
        layers = self.trace.layers
        told = first_heads(self.order.heads, len(layers), detail.heads)
        readers = first_heads(self.order.heads, len(layers), detail.readers)
        packed[f"means.{number}"] = self._packed(
            ("means", number, detail.mass_bits), partial(self._means, number, detail.mass_bits)
        )
        for place, layer in enumerate(layers):
            for kind, make, heads, why in (
                ("heads", sections.by_head, told[place], (detail.mass_bits, detail.each_query)),
                ("top", sections.top, readers[place], (detail.top, detail.least)),
                ("map", sections.flow, told[place], (detail.side,)),
            ):
                if heads:
                    key = (kind, number, place, tuple(heads), *why)
                    packed[f"{kind}.{number}.{place}"] = self._packed(key, partial(make, layer, number, heads, detail))
        return {
            "streams": [
                stream_row(stream, sinks) for stream, sinks in zip(item.streams, self.sinks[number], strict=True)
            ],
            "queries": list(item.queries),
            "keys": list(item.keys),
            "observed": [sections.place_range(layer, number) for layer in layers],
            "heads": told,
            "readers": readers,
            "maps": [sections.edges(layer, detail) for layer in layers],
            "image": self.images[number],
        }

    def _means(self, number: int, bits: int) -> list[Coded]:
        layers = enumerate(self.trace.layers)
        return [array for index, layer in layers for array in sections.means(layer, number, index, bits)]

    def _packed(self, key: tuple[object, ...], make: Callable[[], list[Coded]]) -> _Packed:
        if key not in self.cache:
            arrays = make()
            self.cache[key] = _Packed(arrays, section(arrays))
        return self.cache[key]
