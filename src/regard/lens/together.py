"""What several inputs have in common: each head's figures over all of them, with how sure the means are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from regard.lens.figures import Figures, figures
from regard.lens.heads import Ranking, rank
from regard.lens.sinks import Sink, percent, shares
from regard.lens.trace import Trace
from regard.spec.errors import SpecError


@dataclass(frozen=True)
class CommonSink:
    """A text that is a sink: in how many of the inputs, at which place in most of them, with which mean share."""

    text: str
    key: int
    share: float
    inputs: int
    of: int

    def words(self) -> str:
        """`'<bos>' (most often key 0): 61 % of the mass where it is a sink, in 10 of 10 inputs`."""
        return (
            f"{self.text!r} (most often key {self.key}): {percent(self.share)} of the mass where it is a sink, "
            f"in {self.inputs} of {self.of} inputs"
        )


@dataclass(frozen=True)
class Spread:
    """A mean over inputs and its standard error (0 for one input): breadth in keys, distance in units, a share."""

    mean: float
    error: float


@dataclass(frozen=True)
class Together:
    """Traces of one model over many inputs. Each input counts once, however long it is.

    inputs: how many. figures: of each head, means over inputs (breadth: exp of the mean log breadth). errors: for each
    head, in the same order, the standard errors of log breadth, distance and the first key's share. texts: for each
    text of a unit, heaviest first, its mean share of the mass, all its places added up. sinks: by text. For texts and
    sinks each batch item is an input of its own.
    """

    model: str
    inputs: int
    figures: tuple[Figures, ...]
    errors: tuple[tuple[float, float, float], ...]
    texts: tuple[tuple[str, float], ...]
    sinks: tuple[CommonSink, ...]

    def heads(self) -> Ranking:
        """Heads by what is unusual about their means, the most unusual first."""
        said = f"Sinks are counted: {self.sinks[0].words()}." if self.sinks else "No key is a sink."
        return rank(self.figures, f"Means over {self.inputs} inputs. {said}")


def together(traces: Sequence[Trace]) -> Together:
    """Figures of each head over several traces, each of any length.

    Raises:
        SpecError: no traces, or traces of different models, layers or heads; the message names the difference.
    """
    if not traces:
        raise SpecError("together([]): expected at least one trace")
    first = traces[0]
    for place, trace in enumerate(traces[1:], 1):
        _check(first, trace, place)
    every = [figures(trace) for trace in traces]
    heads = [list(column) for column in zip(*every, strict=True)]
    return Together(
        model=first.model,
        inputs=len(traces),
        figures=tuple(_mean(column) for column in heads),
        errors=tuple(_errors(column) for column in heads),
        texts=_texts(traces),
        sinks=_sinks(traces),
    )


def _check(first: Trace, other: Trace, place: int) -> None:
    if first.model != other.model:
        raise SpecError(f"trace {place} is of {other.model}, trace 0 of {first.model}: compare() sets two models apart")
    for name, of in (("layers", _layers), ("heads", _heads)):
        if of(first) != of(other):
            raise SpecError(
                f"trace {place} has other {name} than trace 0 ({of(other)} and {of(first)}): record them alike"
            )


def _layers(trace: Trace) -> list[str]:
    return [layer.name for layer in trace.layers]


def _heads(trace: Trace) -> list[tuple[int, ...]]:
    return [layer.heads for layer in trace.layers]


def _mean(column: Sequence[Figures]) -> Figures:
    counted = [one for one in column if one.rows] or list(column)
    busiest = max(counted, key=lambda one: one.busiest)
    offset, share = _offset(counted)
    return Figures(
        layer=column[0].layer,
        head=column[0].head,
        breadth=math.exp(_over(counted, lambda one: math.log(one.breadth)).mean),
        distance=_over(counted, lambda one: one.distance).mean,
        first=_over(counted, lambda one: one.first).mean,
        busiest=_over(counted, lambda one: one.busiest).mean,
        busiest_text=busiest.busiest_text,
        offset=offset,
        offset_share=share,
        rows=sum(one.rows for one in column),
    )


def _errors(column: Sequence[Figures]) -> tuple[float, float, float]:
    return (
        _over(column, lambda one: math.log(one.breadth)).error,
        _over(column, lambda one: one.distance).error,
        _over(column, lambda one: one.first).error,
    )


def _over(column: Sequence[Figures], of: Callable[[Figures], float]) -> Spread:
    values = [of(one) for one in column]
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return Spread(mean, 0.0)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    return Spread(mean, math.sqrt(variance / len(values)))


def _offset(column: Sequence[Figures]) -> tuple[int | None, float | None]:
    """The favourite offset of most inputs, and its mean share: an input with another favourite counts 0."""
    known = [(one.offset, one.offset_share) for one in column if one.offset is not None]
    if not known:
        return None, None
    offsets = [offset for offset, _ in known]
    best = max(offsets, key=lambda offset: (offsets.count(offset), -abs(offset)))
    return best, sum(share or 0.0 for offset, share in known if offset == best) / len(known)


def _texts(traces: Sequence[Trace]) -> tuple[tuple[str, float], ...]:
    """Over inputs and batch items: the share of all heads' mass that lies on each text."""
    total: dict[str, float] = {}
    items = 0
    for trace in traces:
        items += len(trace.units)
        of = sum(len(layer.heads) for layer in trace.layers)
        for layer in trace.layers:
            for item, units in enumerate(trace.units_of_keys(layer)):
                mass = shares(layer, item).sum(0).tolist()
                for key in layer.keys_valid[item].nonzero().flatten().tolist():
                    total[units.texts[key]] = total.get(units.texts[key], 0.0) + mass[key] / of
    return tuple(sorted(((text, mass / items) for text, mass in total.items()), key=lambda pair: (-pair[1], pair[0])))


def _sinks(traces: Sequence[Trace]) -> tuple[CommonSink, ...]:
    """Batch items count as inputs; a text that is a sink twice in one input counts with its shares added up."""
    found: dict[str, dict[tuple[int, int], list[Sink]]] = {}
    for number, trace in enumerate(traces):
        for sink in trace.sinks():
            found.setdefault(sink.text, {}).setdefault((number, sink.item), []).append(sink)
    of = sum(len(trace.units) for trace in traces)
    common = []
    for text, inputs in found.items():
        keys = [sink.key for sinks in inputs.values() for sink in sinks]
        share = sum(sink.share for sinks in inputs.values() for sink in sinks) / len(inputs)
        common.append(CommonSink(text, max(keys, key=lambda key: (keys.count(key), -key)), share, len(inputs), of))
    return tuple(sorted(common, key=lambda sink: (-sink.inputs, -sink.share, sink.text)))
