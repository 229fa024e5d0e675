"""A trace for a terminal: ranked heads, the text with the mass it received, and the sinks, as small tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.lens import grouping
from regard.lens.heads import Ranking
from regard.lens.sinks import Sink, named, percent, shares
from regard.lens.trace import Layer, Trace
from regard.lens.units import Units
from regard.spec.errors import SpecError

LIMITS = (
    "Weights show where attention went, not what caused the output. Where queries look back only, early keys are open "
    "to more of them, and so receive more."
)
LISTED = 10


@dataclass(frozen=True)
class Table:
    """A title, a header, rows of texts of which the first `words` columns are words, and a line below."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int
    note: str = ""


@dataclass(frozen=True)
class View:
    """What is shown of one batch item. pieces: the text in order, each piece with its share of the heaviest word's
    mass (0 between words, and for sinks where they are hidden); empty where the units are no text."""

    title: str
    heads: Table
    pieces: tuple[tuple[str, float], ...]
    heaviest: Table
    sinks: Table
    unseen: tuple[str, ...]
    limits: str = LIMITS


@dataclass(frozen=True)
class _Word:
    """One line of the table and one coloured piece. span: its characters in the source, where there is one."""

    text: str
    share: float
    span: tuple[int, int] | None


def view(trace: Trace, *, item: int = 0, listed: int = LISTED, sinks: bool = False) -> View:
    """The view of one batch item, `listed` lines a table.

    Sinks are hidden unless `sinks`: in the text always, among the ranked heads where the trace kept top keys. Notes say
    what was done. Tokens are shown as words. Mass is the mean share over the heads of all layers that look at the
    item's own units; of an encoder beside a decoder, those of the decoder.

    Raises:
        SpecError: an item that is not in the batch.
    """
    if not 0 <= item < len(trace.units):
        raise SpecError(f"item={item}: this trace holds a batch of {len(trace.units)}, counted from 0")
    found = [sink for sink in trace.sinks() if sink.item == item]
    layers = [layer for layer in trace.layers if trace.units_of_keys(layer)[item] is trace.units[item]]
    hidden = [] if sinks else [sink for sink in found if any(layer.name in sink.layers for layer in layers)]
    words = _words(trace.units[item], _mass(layers, item, hidden))
    return View(
        title=_title(trace, item),
        heads=_heads(_ranking(trace, sinks), listed),
        pieces=_pieces(trace.units[item], words),
        heaviest=_heaviest(words, hidden, listed),
        sinks=_sinks(found),
        unseen=tuple(f"not seen: {name} ({why})" for name, why in trace.unseen),
    )


def _title(trace: Trace, item: int) -> str:
    heads = sum(len(layer.heads) for layer in trace.layers)
    which = f", item {item} of {len(trace.units)}" if len(trace.units) > 1 else ""
    units = trace.units[item]
    counts = ((len(trace.layers), "layer"), (heads, "head"), (len(units), units.kind))
    return f"{trace.model}: {', '.join(_counted(*each) for each in counts)}{which}{_part(trace, len(units))}"


def _part(trace: Trace, length: int) -> str:
    """What was left out: how many queries the figures stand on, where that is not all."""
    seen = {(len(layer.positions), layer.population) for layer in trace.layers}
    if any(observed < population for observed, population in seen):
        most, of = max(seen)
        return f"; figures from a sample of {most:,} of {of:,} queries, estimates with an error"
    most = max((observed for observed, _ in seen), default=length)
    return f"; figures from {most:,} queries" if most < length else ""


def _counted(count: int, noun: str) -> str:
    many = noun + ("es" if noun.endswith(("ch", "s", "x")) else "s")
    return f"{count:,} {noun if count == 1 else many}"


def _ranking(trace: Trace, sinks: bool) -> Ranking:
    can_hide = "merged" not in trace.about and all(layer.top_keys is not None for layer in trace.layers)
    return trace.heads(sinks=sinks or not can_hide)


def _heads(ranking: Ranking, listed: int) -> Table:
    shown = ranking.heads[:listed]
    breadths, distances = (
        _aligned([f"{getattr(head, name):,.1f}" for head in shown]) for name in ("breadth", "distance")
    )
    rows = tuple(
        (head.layer, str(head.head), breadth, distance, "; ".join(head.reasons))
        for head, breadth, distance in zip(shown, breadths, distances, strict=True)
    )
    more = len(ranking) - len(rows)
    left = f" {more} more heads are not listed." if more > 0 else ""
    header = ("layer", "head", "breadth", "distance", "why")
    return Table("Heads, the most unusual first", header, rows, len(header), ranking.note + left)


def _aligned(numbers: list[str]) -> list[str]:
    width = max(map(len, numbers), default=0)
    return [number.rjust(width) for number in numbers]


def _mass(layers: Sequence[Layer], item: int, hidden: Sequence[Sink]) -> Tensor:
    """Mean share of each key over heads, hidden keys 0, (keys,) float64; empty without layers."""
    if not layers:
        return torch.zeros(0, dtype=torch.float64)
    length = max(layer.keys for layer in layers)
    total = torch.zeros(length, dtype=torch.float64)
    for layer in layers:
        total[: layer.keys] += shares(layer, item).sum(0)
    total[[sink.key for sink in hidden if sink.key < length]] = 0.0
    return total / sum(len(layer.heads) for layer in layers)


def _words(units: Units, mass: Tensor) -> list[_Word]:
    grouped = grouping.words(units) if grouping.can_group(units, "word") else grouping.alone(units)
    shares_of = [0.0] * len(grouped.units)
    for place, share in zip(grouped.of, mass.tolist(), strict=False):  # the last unit may be no key yet
        shares_of[place] += share
    spans = grouped.units.spans or (None,) * len(grouped.units)
    return [_Word(*each) for each in zip(grouped.units.texts, shares_of, spans, strict=True)]


def _pieces(units: Units, words: Sequence[_Word]) -> tuple[tuple[str, float], ...]:
    most = max((word.share for word in words), default=0.0) or 1.0
    if units.kind in ("patch", "frame"):
        return ()
    pieces: list[tuple[str, float]] = []
    at = 0
    for place, word in enumerate(words):
        if units.source is None or word.span is None:
            pieces += [(" ", 0.0)] * (place > 0) + [(word.text, word.share / most)]
        elif word.span[0] < word.span[1]:
            pieces.append((units.source[at : word.span[0]], 0.0))
            pieces.append((units.source[word.span[0] : word.span[1]], word.share / most))
            at = word.span[1]
    if units.source is not None:
        pieces.append((units.source[at:], 0.0))
    return tuple((text, share) for text, share in pieces if text)


def _heaviest(words: Sequence[_Word], hidden: Sequence[Sink], listed: int) -> Table:
    order = sorted(range(len(words)), key=lambda place: (-words[place].share, place))[:listed]
    rows = tuple((words[place].text.strip() or repr(words[place].text), percent(words[place].share)) for place in order)
    note = f"Sinks are hidden: {named(hidden)}." if hidden else "Nothing is hidden."
    return Table("What receives most", ("text", "of the mass"), rows, 1, note)


def _sinks(found: Sequence[Sink]) -> Table:
    rows = tuple(
        (repr(sink.text), str(sink.key), percent(sink.share), percent(sink.even), f"{sink.heads} of {sink.of}")
        for sink in found
    )
    header = ("text", "key", "of the mass", "even share", "heads")
    return Table("Sinks", header, rows, 1, "" if rows else "No key is a sink.")
