"""Where a model's attention went: per layer and head the statistics, beside what the queries and keys are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regard.lens.units import Units
from regard.spec.errors import ShapeError, SpecError

if TYPE_CHECKING:
    from regard.lens.heads import Ranking
    from regard.lens.sinks import Sink
    from regard.lens.together import Together

__all__ = ["Layer", "Trace", "Units"]


@dataclass(frozen=True, eq=False, repr=False)
class Layer:
    """What was seen of one attention module.

    name: its path in the model. kind: "self" or "cross". mask: in words. heads: the indices of the heads observed.
    positions: int64 (n,), the place of each observed query on the query axis. population: how many queries those n
    stand for (more than n when they were drawn as a sample).
    lse, entropy (nats), distance (in units of the axis): float32 (batch, heads, n).
    received: float32 (batch, heads, keys), the mass each key received; received_error: its standard error when
    sampled, else None.
    top_keys int32, top_weights float32: (batch, heads, n, top), heaviest first, key -1 and weight 0 where fewer keys
    were allowed; or None.
    map: float32 (batch, heads, rows, cols), the weight that flows from the queries [row_edges[r], row_edges[r + 1])
    to the keys [col_edges[c], col_edges[c + 1]), edges int64; or None.
    queries_valid (batch, n), keys_valid (batch, keys): bool, True for what is not padding.

    Raises:
        ShapeError: a tensor that does not fit the others.
    """

    name: str
    kind: str
    mask: str
    heads: tuple[int, ...]
    positions: Tensor
    population: int
    lse: Tensor
    entropy: Tensor
    distance: Tensor
    received: Tensor
    queries_valid: Tensor
    keys_valid: Tensor
    top_keys: Tensor | None = None
    top_weights: Tensor | None = None
    map: Tensor | None = None
    row_edges: Tensor | None = None
    col_edges: Tensor | None = None
    received_error: Tensor | None = None

    def __repr__(self) -> str:
        size = f"{len(self.heads)} heads, {len(self.positions)} queries on {self.keys} keys"
        return f"<{self.kind}-attention of {self.name}: {size}; {self.mask}>"

    def __post_init__(self) -> None:
        if self.kind not in ("self", "cross"):
            raise SpecError(f"layer {self.name}: kind={self.kind!r}: expected 'self' or 'cross'")
        batch, keys = self.received.shape[0], self.received.shape[-1]
        heads, queries = len(self.heads), len(self.positions)
        figure = (batch, heads, queries)
        self._check("received", (batch, heads, keys), "(batch, heads, keys)")
        self._check("received_error", (batch, heads, keys), "(batch, heads, keys)")
        for name in ("lse", "entropy", "distance"):
            self._check(name, figure, "(batch, heads, queries)")
        self._check("queries_valid", (batch, queries), "(batch, queries)")
        self._check("keys_valid", (batch, keys), "(batch, keys)")
        self._check_pairs(figure)

    def _check(self, name: str, expected: tuple[int, ...], words: str) -> None:
        given: Tensor | None = getattr(self, name)
        if given is not None and tuple(given.shape) != expected:
            raise ShapeError(f"layer {self.name}: {name} is {tuple(given.shape)}, expected {words} = {expected}")

    def _check_pairs(self, figure: tuple[int, int, int]) -> None:
        if (self.top_keys is None) != (self.top_weights is None):
            raise ShapeError(f"layer {self.name}: top_keys and top_weights go together; one of them is missing")
        if self.top_keys is not None:
            top = self.top_keys.shape[-1]
            for name in ("top_keys", "top_weights"):
                self._check(name, (*figure, top), "(batch, heads, queries, top)")
            self._check_top(self.top_keys)
        with_map = [part is not None for part in (self.map, self.row_edges, self.col_edges)]
        if any(with_map) and not all(with_map):
            raise ShapeError(f"layer {self.name}: map, row_edges and col_edges go together; one of them is missing")
        if self.row_edges is not None and self.col_edges is not None:
            bins = (len(self.row_edges) - 1, len(self.col_edges) - 1)
            self._check("map", (*figure[:2], *bins), "(batch, heads, rows, cols)")

    def _check_top(self, names: Tensor) -> None:
        if not names.numel():
            return
        low, high = int(names.min()), int(names.max())
        if low < -1 or high >= self.keys:
            wrong = low if low < -1 else high
            raise ShapeError(f"layer {self.name}: top_keys name the key {wrong}, but there are {self.keys} keys")

    @property
    def batch(self) -> int:
        return self.received.shape[0]

    @property
    def keys(self) -> int:
        """How many keys the key axis has, padding included."""
        return self.received.shape[-1]

    @property
    def top(self) -> int:
        """How many keys a query are kept by name; 0 for none."""
        return 0 if self.top_keys is None else self.top_keys.shape[-1]

    @property
    def breadth(self) -> Tensor:
        """exp(entropy): the effective number of keys a query looks at, (batch, heads, n)."""
        return torch.exp(self.entropy)

    @property
    def sampled(self) -> bool:
        """True when `received` was estimated from some of the queries."""
        return self.received_error is not None or self.population > len(self.positions)


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """One pass of a model over one batch, as its attention went.

    model: its name. layers: in the order they ran. units: one a batch item, what the queries and keys are, where
    nothing else is said for a layer. query_units, key_units: by layer name, one a batch item, where a layer's queries
    or keys are something else (an encoder beside a decoder, cross-attention); a layer's keys are its queries' units
    unless `key_units` names it. unseen: (module path, why) for attention that could not be seen. about: facts to know
    a trace by (versions, settings), no dates.

    Raises:
        ShapeError: layers of different batch sizes, or fewer units than an item has queries or keys.
        SpecError: two layers of one name, or units for a layer that is not there.
    """

    model: str
    layers: tuple[Layer, ...]
    units: tuple[Units, ...]
    key_units: Mapping[str, tuple[Units, ...]] = field(default_factory=dict)
    unseen: tuple[tuple[str, str], ...] = ()
    about: Mapping[str, str] = field(default_factory=dict)
    query_units: Mapping[str, tuple[Units, ...]] = field(default_factory=dict)

    def __repr__(self) -> str:
        heads = sum(len(layer.heads) for layer in self.layers)
        unseen = f", {len(self.unseen)} modules unseen" if self.unseen else ""
        return f"<trace of {self.model}: {len(self.layers)} layers, {heads} heads, batch of {len(self.units)}{unseen}>"

    def __post_init__(self) -> None:
        names = [layer.name for layer in self.layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise SpecError(f"two layers are named {twice[0]!r}: expected one a module path")
        strange = sorted({*self.key_units, *self.query_units} - set(names))
        if strange:
            raise SpecError(f"units are given for {strange[0]!r}, but the layers are {', '.join(names) or 'none'}")
        for layer in self.layers:
            _check_units(layer, "query", self.units_of_queries(layer), layer.positions, layer.queries_valid)
            _check_units(layer, "key", self.units_of_keys(layer), torch.arange(layer.keys), layer.keys_valid)

    def units_of_queries(self, layer: Layer) -> tuple[Units, ...]:
        """What a layer's queries are, one a batch item."""
        return self.query_units.get(layer.name, self.units)

    def units_of_keys(self, layer: Layer) -> tuple[Units, ...]:
        """What a layer's keys are, one a batch item."""
        return self.key_units.get(layer.name, self.units_of_queries(layer))

    def layer(self, name: str) -> Layer:
        """The layer of a module path. Raises `SpecError`, naming the layers there are."""
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise SpecError(f"no layer {name!r}: this trace has {', '.join(each.name for each in self.layers) or 'none'}")

    def save(self, path: str | Path) -> None:
        """Writes one safetensors file (docs/trace-format.md). Raises `DataError` where it cannot be written."""
        from regard.lens.trace_file import save

        save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Trace:
        """Reads what `save` wrote. Nothing in the file is executed. Raises `DataError` for any other file."""
        from regard.lens.trace_file import load

        return load(path)

    def merged(self, to: str, *, ids: Sequence[Sequence[int]] | None = None, separator: str | None = None) -> Trace:
        """This trace with tokens merged to "word", "line" or "document"; see `regard.lens.merging.merged`."""
        from regard.lens.merging import merged

        return merged(self, to, ids=ids, separator=separator)

    def sinks(self) -> tuple[Sink, ...]:
        """Keys that receive far more than an even share, heaviest first; see `regard.lens.sinks.sinks`."""
        from regard.lens.sinks import sinks

        return sinks(self)

    def heads(self, *, sinks: bool = True) -> Ranking:
        """Heads, the most unusual first, each with why; `sinks=False` leaves sink keys out, and says so.

        See `regard.lens.heads.ranked`.
        """
        from regard.lens.heads import ranked

        return ranked(self, sinks=sinks)

    @staticmethod
    def together(traces: Sequence[Trace]) -> Together:
        """What several traces of one model have in common; see `regard.lens.together.together`."""
        from regard.lens.together import together

        return together(traces)

    def with_units(
        self,
        units: Sequence[Units],
        *,
        key_units: Mapping[str, Sequence[Units]] | None = None,
        query_units: Mapping[str, Sequence[Units]] | None = None,
    ) -> Trace:
        """The same figures beside other units, one a batch item; what is not given stays.

        Raises `SpecError` for what are no `Units`, `ShapeError` where they do not fit.
        """
        if isinstance(units, Units) or not all(isinstance(one, Units) for one in units):
            raise SpecError(
                'with_units(...) expects one Units a batch item, such as [Units(texts=("a", "b"), kind="token")]'
            )
        return replace(
            self,
            units=tuple(units),
            key_units=self.key_units if key_units is None else _frozen(key_units),
            query_units=self.query_units if query_units is None else _frozen(query_units),
        )


def _frozen(units: Mapping[str, Sequence[Units]]) -> dict[str, tuple[Units, ...]]:
    return {name: tuple(each) for name, each in units.items()}


def _check_units(layer: Layer, side: str, units: tuple[Units, ...], places: Tensor, valid: Tensor) -> None:
    """One `Units` a batch item, long enough for the last place that is no padding."""
    if len(units) != layer.batch:
        raise ShapeError(
            f"layer {layer.name} saw a batch of {layer.batch}, but there are {side} units for {len(units)}"
        )
    for item, one in enumerate(units):
        real = places[valid[item]]
        last = int(real.max()) if real.numel() else -1
        if last >= len(one):
            raise ShapeError(
                f"layer {layer.name}, item {item}: {side} {last} is real, but there are {len(one)} units; "
                "expected one for each place on the axis, padding included"
            )
