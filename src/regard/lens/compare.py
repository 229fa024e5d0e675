"""Two traces beside each other: which heads changed, and how."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regard.lens.figures import Figures, figures
from regard.lens.sinks import shares
from regard.lens.trace import Layer, Trace
from regard.spec.errors import SpecError


@dataclass(frozen=True)
class Change:
    """One head in both traces. variation: total variation between the shares of mass its keys receive, 0 (same keys)
    to 1 (none in common); correlation: Pearson's, of the same shares, None where one of them is even. Both are means
    over the batch, and None when the traces have different keys. layer_b: the layer's name in the second trace."""

    layer: str
    layer_b: str
    head: int
    a: Figures
    b: Figures
    variation: float | None
    correlation: float | None

    @property
    def breadth(self) -> float:
        """log(breadth in b / breadth in a): 0.69 is twice as broad, -0.69 half."""
        return math.log(self.b.breadth / self.a.breadth)

    @property
    def distance(self) -> float:
        """Mean distance in b minus that in a, in units of the axis."""
        return self.b.distance - self.a.distance


@dataclass(frozen=True)
class Comparison:
    """The heads of both traces, the biggest change first. only_a, only_b: layers that have no counterpart.

    note: what the order is by. `by(...)` orders anew.
    """

    changes: tuple[Change, ...]
    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    note: str

    def __iter__(self) -> Iterator[Change]:
        return iter(self.changes)

    def __len__(self) -> int:
        return len(self.changes)

    def __getitem__(self, place: int) -> Change:
        return self.changes[place]

    def by(self, figure: str) -> Comparison:
        """Ordered by "variation", "breadth" or "distance", the biggest change first.

        Raises:
            SpecError: another figure, or "variation" between traces of different keys.
        """
        if figure not in _ORDERS:
            raise SpecError(f"by({figure!r}): expected one of {', '.join(map(repr, _ORDERS))}")
        if figure == "variation" and any(change.variation is None for change in self.changes):
            raise SpecError("by('variation'): the traces have different keys; 'breadth' and 'distance' can be compared")
        order = sorted(self.changes, key=lambda change: -abs(getattr(change, figure)))
        return replace(self, changes=tuple(order), note=_ORDERS[figure])


_ORDERS = {
    "variation": "Ordered by how much of the mass lies on other keys (total variation).",
    "breadth": "Ordered by the ratio of breadths.",
    "distance": "Ordered by the difference of mean distances.",
}


def compare(a: Trace, b: Trace, *, layers: Mapping[str, str] | None = None) -> Comparison:
    """Per layer and head: breadth and distance in both, and how differently the keys are looked at.

    Layers are matched by name, or as `layers` says (name in a -> name in b); heads by index, which means something
    only for one model, or two of which one was trained further from the other. Ordered by the total
    variation of the mass received where both traces have the same number of real keys, else by breadth.

    Raises:
        SpecError: no layer has a counterpart, `layers` names one that is not there, or matched layers have no head in
            common.
    """
    names = layers if layers is not None else {layer.name: layer.name for layer in a.layers if _has(b, layer.name)}
    if not names:
        raise SpecError(
            f"{a.model} and {b.model} have no layer of the same name ({_some(a)}; {_some(b)}): say which belong "
            "together, compare(a, b, layers={'name in a': 'name in b'})"
        )
    of_a, of_b = ({(one.layer, one.head): one for one in figures(trace)} for trace in (a, b))
    changes: list[Change] = []
    for name, other in names.items():
        first, second = a.layer(name), b.layer(other)
        for head in _common_heads(first, second):
            variation, correlation = _received(first, second, head)
            pair = of_a[name, head], of_b[other, head]
            changes.append(Change(name, other, head, *pair, variation, correlation))
    comparison = Comparison(
        changes=tuple(changes),
        only_a=tuple(layer.name for layer in a.layers if layer.name not in names),
        only_b=tuple(layer.name for layer in b.layers if layer.name not in names.values()),
        note="",
    )
    same = all(change.variation is not None for change in changes)
    return comparison.by("variation" if same else "breadth")


def _has(trace: Trace, name: str) -> bool:
    return any(layer.name == name for layer in trace.layers)


def _some(trace: Trace) -> str:
    names = [layer.name for layer in trace.layers]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def _common_heads(a: Layer, b: Layer) -> list[int]:
    common = [head for head in a.heads if head in b.heads]
    if not common:
        raise SpecError(
            f"layer {a.name} was recorded for the heads {list(a.heads)}, its counterpart {b.name} for {list(b.heads)}: "
            "none is in both; heads are matched by index"
        )
    return common


def _received(a: Layer, b: Layer, head: int) -> tuple[float | None, float | None]:
    """(total variation, correlation) of the shares of mass, means over the batch."""
    if a.batch != b.batch or a.batch == 0:
        return None, None
    if any(int(a.keys_valid[item].sum()) != int(b.keys_valid[item].sum()) for item in range(a.batch)):
        return None, None
    pairs = [(_real(a, item, head), _real(b, item, head)) for item in range(a.batch)]
    variation = sum(float((x - y).abs().sum()) / 2 for x, y in pairs) / len(pairs)
    correlations = [_correlation(x, y) for x, y in pairs]
    known = [each for each in correlations if each is not None]
    return variation, sum(known) / len(known) if known else None


def _real(layer: Layer, item: int, head: int) -> Tensor:
    """The shares of the real keys, so that left and right padding do not matter."""
    return shares(layer, item)[layer.heads.index(head)][layer.keys_valid[item]]


def _correlation(x: Tensor, y: Tensor) -> float | None:
    x, y = x - x.mean(), y - y.mean()
    size = float(torch.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum()) / size if size > 1e-12 else None
