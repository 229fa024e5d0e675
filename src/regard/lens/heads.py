"""Which heads to look at first, and why: the ones whose figures differ most from the other heads'."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from regard.lens.figures import Figures, covered, figures
from regard.lens.sinks import Sink, named, percent
from regard.lens.trace import Trace
from regard.spec.errors import SpecError

Array = np.ndarray[Any, np.dtype[np.float64]]

UNUSUAL = 2.5  # robust z-score from which a figure is called unusual
_REASONS = 3
_NORMAL = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


@dataclass(frozen=True)
class Head:
    """One head: its figures, how unusual it is (its largest robust z-score), and why, in plain words."""

    figures: Figures
    unusual: float
    reasons: tuple[str, ...]

    @property
    def layer(self) -> str:
        return self.figures.layer

    @property
    def head(self) -> int:
        return self.figures.head

    @property
    def breadth(self) -> float:
        return self.figures.breadth

    @property
    def distance(self) -> float:
        return self.figures.distance


@dataclass(frozen=True, repr=False)
class Ranking:
    """Heads, the most unusual first. `note` says what was done about sinks: they hide everything else."""

    heads: tuple[Head, ...]
    note: str

    def __iter__(self) -> Iterator[Head]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def __repr__(self) -> str:
        lines = [f"{one.layer} head {one.head}: {'; '.join(one.reasons)}" for one in self.heads[:10]]
        more = len(self.heads) - len(lines)
        return "\n".join([*lines, *([f"... and {more} more heads"] if more else []), self.note])

    def __getitem__(self, place: int) -> Head:
        return self.heads[place]


@dataclass(frozen=True)
class _Trait:
    """A figure that heads are compared by.

    of: its value, on a scale where equal steps matter equally; None where it is not known. least: a spread below this
    is no spread. high, low: how it is said, given the head's figures and the median as text.
    """

    of: Callable[[Figures], float | None]
    least: float
    median: Callable[[float], str]
    high: Callable[[Figures, str], str]
    low: Callable[[Figures, str], str]


def ranked(trace: Trace, *, sinks: bool = True) -> Ranking:
    """Heads by what is unusual about them, with sinks counted or (`sinks=False`) left out.

    Each figure (log breadth, log distance, the first key's share, the busiest other key's, the share at the favourite
    offset) becomes a robust z-score across heads: (x - median) / (1.4826 x median absolute deviation), after Iglewicz
    and Hoaglin 1993. A head's rank is its largest |z|; what is 2.5 or more is a reason.

    Raises:
        SpecError: sinks are to be left out of a trace without kept top keys, or of one that was merged to words.
    """
    found = trace.sinks()
    if sinks or not found:
        return rank(figures(trace), _counted(found))
    if "merged" in trace.about:
        raise SpecError("heads(sinks=False) on a merged trace: ask the trace of tokens, whose figures are of tokens")
    without = [layer.name for layer in trace.layers if layer.top_keys is None]
    if without:
        raise SpecError(
            f"heads(sinks=False) needs the top keys of every layer, but {without[0]} has none: record with top=8"
        )
    return rank(figures(trace, found), _left_out(found, covered(trace, found)))


def rank(every: Sequence[Figures], note: str) -> Ranking:
    """The ranking of these figures; `note` goes with it."""
    scores = np.stack([_scores(trait, every) for trait in _TRAITS]) if every else np.zeros((len(_TRAITS), 0))
    medians = [_median(trait, every) for trait in _TRAITS]
    heads = [_head(one, scores[:, place], medians) for place, one in enumerate(every)]
    order = sorted(range(len(heads)), key=lambda place: (-heads[place].unusual, place))
    return Ranking(tuple(heads[place] for place in order), note)


def _counted(sinks: Sequence[Sink]) -> str:
    if not sinks:
        return "No key is a sink."
    return f"Sinks are counted: {named(sinks)}."


def _left_out(sinks: Sequence[Sink], known: float) -> str:
    return (
        f"Sinks are left out: {named(sinks)}. What remains is scaled up to the whole; {percent(known)} of the sinks' "
        "mass lies among the kept top keys and could be taken away."
    )


def _scores(trait: _Trait, every: Sequence[Figures]) -> Array:
    """A robust z-score for each head; 0 where the figure is not known."""
    values = np.array([math.nan if (value := _value(trait, one)) is None else value for one in every])
    known = values[~np.isnan(values)]
    if len(known) < 3:
        return np.zeros(len(values))
    middle = np.median(known)
    spread = max(_NORMAL * float(np.median(np.abs(known - middle))), trait.least)
    return np.asarray(np.nan_to_num((values - middle) / spread))


def _value(trait: _Trait, one: Figures) -> float | None:
    return trait.of(one) if one.rows else None


def _median(trait: _Trait, every: Sequence[Figures]) -> str:
    known = [value for one in every if (value := _value(trait, one)) is not None]
    return trait.median(float(np.median(known))) if known else ""


def _head(one: Figures, scores: Array, medians: Sequence[str]) -> Head:
    if not one.rows:
        return Head(one, 0.0, ("looks at nothing that is counted",))
    order = np.argsort(-np.abs(scores), kind="stable")[:_REASONS]
    reasons = tuple(
        (_TRAITS[place].high if scores[place] > 0 else _TRAITS[place].low)(one, medians[place])
        for place in order
        if abs(scores[place]) >= UNUSUAL
    )
    plain = f"nothing stands out: {keys(one.breadth)} wide, {keys(one.distance)} away"
    return Head(one, float(np.abs(scores).max(initial=0.0)), reasons or (plain,))


def keys(count: float) -> str:
    """`1 key`, `3.2 keys`, `812 keys`."""
    text = f"{count:,.0f}" if count >= 100 else f"{count:.1f}".removesuffix(".0")
    return f"{text} key" if text == "1" else f"{text} keys"


def _favourite(one: Figures, median: str) -> str:
    back = one.offset or 0
    where = "at itself" if back == 0 else f"{keys(abs(back))} {'back' if back > 0 else 'ahead'}"
    return f"looks {where}: {percent(one.offset_share or 0.0)} of its weight (median {median})"


_TRAITS = (
    _Trait(
        of=lambda one: math.log(one.breadth),
        least=0.1,
        median=lambda middle: keys(math.exp(middle)),
        high=lambda one, median: f"reads broadly: {keys(one.breadth)} at once (median {median})",
        low=lambda one, median: f"reads narrowly: {keys(one.breadth)} at once (median {median})",
    ),
    _Trait(
        of=lambda one: math.log1p(one.distance),
        least=0.1,
        median=lambda middle: keys(math.expm1(middle)),
        high=lambda one, median: f"looks far: {keys(one.distance)} away on average (median {median})",
        low=lambda one, median: f"looks near: {keys(one.distance)} away on average (median {median})",
    ),
    _Trait(
        of=lambda one: one.first,
        least=0.02,
        median=percent,
        high=lambda one, median: f"{percent(one.first)} on the first key (median {median})",
        low=lambda one, median: f"only {percent(one.first)} on the first key (median {median})",
    ),
    _Trait(
        of=lambda one: one.busiest,
        least=0.02,
        median=percent,
        high=lambda one, median: f"{percent(one.busiest)} on one key, {one.busiest_text!r} (median {median})",
        low=lambda one, median: f"no key of its own: at most {percent(one.busiest)} on one (median {median})",
    ),
    _Trait(
        of=lambda one: one.offset_share,
        least=0.02,
        median=percent,
        high=_favourite,
        low=lambda one, median: (
            f"no favourite place: at most {percent(one.offset_share or 0.0)} at one distance back (median {median})"
        ),
    ),
)
