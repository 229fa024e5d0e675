"""A trace of tokens as a trace of words, lines or documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from regard.lens import grouping
from regard.lens.grouping import Grouping
from regard.lens.trace import Layer, Trace
from regard.lens.units import Units
from regard.spec.errors import SpecError

_OUT = -1  # the group of a place that no unit names (padding)


def merged(trace: Trace, to: str, *, ids: Sequence[Sequence[int]] | None = None, separator: str | None = None) -> Trace:
    """The same trace with its tokens merged to "word", "line" or "document".

    - mass received adds up over a group's tokens. Its standard errors (of a sample) are added up too: an upper bound,
      because they are not independent.
    - figures of queries (lse, entropy, distance) are means over the group's observed tokens. They stay what they were:
      nats over tokens, and tokens of distance. `breadth` is then the geometric mean of the tokens' breadths.
    - top keys: each token's kept keys are renamed to their groups, averaged over the query's tokens, and ranked anew.
      A key that was too light to be kept for a token counts as 0 there, so that this is exact only up to the kept top.
    - maps are left out: their bins are cut between tokens.

    Sequences that are no text (patches, frames) stay as they are. For documents: `ids` (for each item of the batch,
    one id a unit) or `separator` (the text of the unit between them).

    Raises:
        SpecError: an unknown `to`, nothing to merge, or documents without ids or separator.
    """
    if to != "document" and (ids is not None or separator is not None):
        raise SpecError(f"merged({to!r}) takes no ids and no separator: they divide documents")
    every = _sequences(trace)
    if not any(grouping.can_group(units, to) for units in every):
        kinds = ", ".join(sorted({units.kind for units in every})) or "none"
        raise SpecError(f"merged({to!r}): the units of this trace are {kinds}, which do not merge to {to}s")
    if ids is not None and len(ids) != len(trace.units):
        raise SpecError(
            f"ids for {len(ids)} items, but the batch has {len(trace.units)}: expected one sequence an item"
        )
    divide = _Division(to, trace.units, ids, separator)
    layers = []
    for layer in trace.layers:
        queries = _side(divide.all(trace.units_of_queries(layer)), layer.positions)
        keys = _side(divide.all(trace.units_of_keys(layer)), torch.arange(layer.keys))
        layers.append(_merged(layer, queries, keys))
    return replace(
        trace,
        layers=tuple(layers),
        units=divide.renamed(trace.units),
        key_units={name: divide.renamed(units) for name, units in trace.key_units.items()},
        query_units={name: divide.renamed(units) for name, units in trace.query_units.items()},
        about={**trace.about, "merged": _said(to, trace)},
    )


def _sequences(trace: Trace) -> list[Units]:
    every = [trace.units, *trace.key_units.values(), *trace.query_units.values()]
    return [units for side in every for units in side]


def _said(to: str, trace: Trace) -> str:
    top = max((layer.top for layer in trace.layers), default=0)
    kept = f"; top keys are exact up to the {top} kept a token" if top else ""
    return f"to {to}s: mass adds up, figures are means over a {to}'s tokens{kept}"


@dataclass(frozen=True)
class _Division:
    """How each sequence is divided, worked out once for each. `ids` are those of the items' own units."""

    to: str
    own: tuple[Units, ...]
    ids: Sequence[Sequence[int]] | None
    separator: str | None
    _done: dict[tuple[int, int], Grouping] = field(default_factory=dict)

    def all(self, sequences: Sequence[Units]) -> list[Grouping]:
        """One `Grouping` a batch item."""
        return [self._one(item, units) for item, units in enumerate(sequences)]

    def renamed(self, sequences: Sequence[Units]) -> tuple[Units, ...]:
        return tuple(group.units for group in self.all(sequences))

    def _one(self, item: int, units: Units) -> Grouping:
        place = (item, id(units))
        if place not in self._done:
            self._done[place] = self._divided(item, units)
        return self._done[place]

    def _divided(self, item: int, units: Units) -> Grouping:
        other = self.ids is not None and units is not self.own[item]
        if other or not grouping.can_group(units, self.to):
            return grouping.alone(units)
        if self.to == "document":
            return grouping.documents(units, ids=None if self.ids is None else self.ids[item], separator=self.separator)
        return grouping.words(units) if self.to == "word" else grouping.lines(units)


@dataclass(frozen=True)
class _Side:
    """groups: int64 (batch, places), the group of each place, or -1. count: the groups of the longest item."""

    groups: Tensor
    count: int


def _side(made: Sequence[Grouping], places: Tensor) -> _Side:
    rows = []
    for one in made:
        table = torch.tensor([*one.of, _OUT], dtype=torch.int64)
        rows.append(table[places.clamp(max=len(one.of))])
    return _Side(torch.stack(rows), max((len(one.units) for one in made), default=0))


def _merged(layer: Layer, queries: _Side, keys: _Side) -> Layer:
    seen = torch.where(layer.queries_valid, queries.groups, _OUT)  # (batch, n)
    there = torch.unique(seen[seen != _OUT])  # groups with an observed token, in any item
    rank = torch.full((queries.count + 1,), _OUT, dtype=torch.int64)  # the last one is for -1
    rank[there] = torch.arange(len(there))
    rows, cols = rank[seen], torch.where(layer.keys_valid, keys.groups, _OUT)
    tokens = _sums(torch.ones_like(rows, dtype=torch.float32)[:, None], rows, len(there))  # (batch, 1, groups)
    top = _top(layer, rows, keys, tokens) if layer.top else (None, None)
    return Layer(
        name=layer.name,
        kind=layer.kind,
        mask=layer.mask,
        heads=layer.heads,
        positions=there,
        population=queries.count if layer.sampled else len(there),
        lse=_sums(layer.lse, rows, len(there)) / tokens.clamp(min=1),
        entropy=_sums(layer.entropy, rows, len(there)) / tokens.clamp(min=1),
        distance=_sums(layer.distance, rows, len(there)) / tokens.clamp(min=1),
        received=_sums(layer.received, cols, keys.count),
        received_error=None if layer.received_error is None else _sums(layer.received_error, cols, keys.count),
        queries_valid=tokens[:, 0] > 0,
        keys_valid=_sums(torch.ones_like(cols, dtype=torch.float32)[:, None], cols, keys.count)[:, 0] > 0,
        top_keys=top[0],
        top_weights=top[1],
    )


def _sums(figures: Tensor, groups: Tensor, count: int) -> Tensor:
    """(batch, heads, places) added up by group, (batch, heads, count). Places of group -1 are left out."""
    batch, heads, _ = figures.shape
    sums = figures.new_zeros(batch, heads, count + 1)
    at = torch.where(groups == _OUT, count, groups)[:, None].expand(batch, heads, -1)
    return sums.scatter_add_(2, at, figures)[..., :count]


def _top(layer: Layer, rows: Tensor, keys: _Side, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Kept keys by group: int32 and float32 (batch, heads, groups, top), heaviest first; -1 and 0 where fewer."""
    assert layer.top_keys is not None
    assert layer.top_weights is not None
    shape = (layer.batch, len(layer.heads), tokens.shape[-1], layer.top)
    names = torch.full(shape, _OUT, dtype=torch.int32)
    weights = torch.zeros(shape)
    for item in range(layer.batch):
        table = torch.cat((keys.groups[item], torch.tensor([_OUT])))
        for head in range(len(layer.heads)):
            cols = table[layer.top_keys[item, head].long()]  # (n, top); key -1 is the table's last
            shares = layer.top_weights[item, head] / tokens[item, 0, rows[item]].clamp(min=1)[:, None]
            row, col, weight = _ranked(rows[item, :, None].expand_as(cols), cols, shares)
            # the place of each entry in its row: how many entries lie between it and the row's first
            place = torch.arange(len(row)) - torch.searchsorted(row, row)
            kept = place < layer.top
            names[item, head, row[kept], place[kept]] = col[kept].to(torch.int32)
            weights[item, head, row[kept], place[kept]] = weight[kept]
    return names, weights


def _ranked(rows: Tensor, cols: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Entries (row, col, weight) with equal pairs added up, by row, each row's heaviest first."""
    real = (rows != _OUT) & (cols != _OUT)
    wide = int(cols.max()) + 1 if cols.numel() else 1
    pairs, which = torch.unique(rows[real] * wide + cols[real], return_inverse=True)
    total = torch.zeros(len(pairs)).scatter_add_(0, which, weights[real])
    rows, cols = pairs // wide, pairs % wide
    order = torch.argsort(2.0 * rows.double() - total, stable=True)  # no weight is above 1, so that rows stay apart
    return rows[order], cols[order], total[order]
