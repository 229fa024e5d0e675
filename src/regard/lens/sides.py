"""Which layers of a model read which sequence: the one that asks, or the one that cross-attention reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from regard.lens.trace import Layer, Trace
from regard.lens.units import Units


def with_sides(
    trace: Trace, layers: Sequence[Layer], units: Sequence[Units] | None, key_units: Sequence[Units] | None
) -> Trace:
    """`trace` with these layers, and each axis of each beside its units; numbered where none are given.

    A self-attention layer asks with `units`, unless it belongs to the encoder that cross-attention reads: one that
    lies outside of the part of the model in which the cross-attention lies. Where that part has no self-attention,
    cross-attention only sums the sequence up (a pooling head): then `units` are its keys. Where `units` are enough for
    some layers and not for others (an image's encoder before a text's decoder), these others are numbered.
    """
    crosses = [layer for layer in layers if layer.kind == "cross"]
    root = holder_of([layer.name for layer in crosses])
    itself = [layer for layer in layers if layer.kind == "self"]
    beside = [layer for layer in itself if root is None or layer.name.startswith(root)]
    asking, sums_up = (beside + crosses, False) if beside or not itself else (itself, True)
    batch = layers[0].batch if layers else 0
    main = _given_or_numbered(units, max(map(_queries, asking), default=0), batch)
    some_fit = any(_fits(main, layer) for layer in asking)
    query_units: dict[str, tuple[Units, ...]] = {}
    read: dict[str, tuple[Units, ...]] = {}
    for layer in layers:
        if layer not in asking:
            query_units[layer.name] = _given_or_numbered(None if sums_up else key_units, _queries(layer), batch)
        elif some_fit and not _fits(main, layer):
            query_units[layer.name] = _given_or_numbered(None, _queries(layer), batch)
        if layer.kind == "cross":
            summed = main if sums_up and all(len(one) == layer.keys for one in main) else None
            read[layer.name] = _given_or_numbered(summed if key_units is None else key_units, layer.keys, batch)
    return replace(trace, layers=tuple(layers), units=main, query_units=query_units, key_units=read)


def _fits(units: Sequence[Units], layer: Layer) -> bool:
    """Whether each of the units reaches a layer's last real query."""
    last = [int(layer.positions[valid].max()) for valid in layer.queries_valid if bool(valid.any())]
    return len(units) == layer.batch and all(max(last, default=-1) < len(one) for one in units)


def _queries(layer: Layer) -> int:
    """The length of the axis that a layer's queries lie on; in self-attention the keys lie on it too."""
    last = int(layer.positions.max()) + 1 if len(layer.positions) else 0
    return last if layer.kind == "cross" else max(last, layer.keys)


def _given_or_numbered(units: Sequence[Units] | None, length: int, batch: int) -> tuple[Units, ...]:
    """`units` as given; where there are none, a number for each place of an axis of this length."""
    return tuple(Units.numbered(length) for _ in range(batch)) if units is None else tuple(units)


def holder_of(crosses: Sequence[str]) -> str | None:
    """The part of the model that holds all cross-attention: what their paths begin with, up to the first number."""
    if not crosses:
        return None
    holders = [name.split(".")[:-1] for name in crosses]
    shared: list[str] = []
    for parts in zip(*holders, strict=False):
        if parts[0].isdigit() or len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "".join(f"{part}." for part in shared)
