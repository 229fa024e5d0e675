"""How faithful one explanation is, as it is shown beside it: measured, against random order, on how many inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from regard.lens.faithfulness.interval import Mean, mean
from regard.lens.faithfulness.measure import QUICK, Measured, measure
from regard.lens.faithfulness.metric import Metric
from regard.lens.faithfulness.orders import BASELINES, POSITION, RANDOM, REVERSE, counts, heaviest_first
from regard.lens.faithfulness.rationale import SHARES
from regard.lens.faithfulness.summary import ahead, average, won
from regard.lens.question import Question
from regard.lens.shares import percent
from regard.lens.units import plural
from regard.spec.errors import SpecError

TOLD = 0.10  # the share of the units whose taking away is told in a sentence
DRAWS = 20
_NAMED = 8  # units that are named at most
_TOLD_AT = SHARES.index(TOLD)


@dataclass(frozen=True)
class Compared:
    """A metric of an explanation and of what stands beside it, over `inputs` inputs under one way.

    ahead: by how much the explanation is more faithful than random order, input by input; above 0 is better, whichever
    way the metric counts. won: the share of the inputs on which it is.
    """

    metric: Metric
    way: str
    explanation: Mean
    baselines: Mapping[str, Mean]
    ahead: Mean
    won: float


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How faithful the weights of one method are.

    here: this input, once for each way in which units were taken away, the default way first. sample: further inputs,
    each once or under several ways. taken: of the heaviest tenth of the units those that weigh more than 0, heaviest
    first, in words. ways: what each way does. metrics: those that were measured. quantity: what falls ("probability").
    trained_on: whether the model was trained or validated on this input; sample_trained_on: on how many of the sample;
    None where that is not known. learned: as in `Question`.

    Raises:
        SpecError: the method was not measured, on this input or on one of the sample.
    """

    method: str
    target: str
    kind: str
    taken: tuple[str, ...]
    here: tuple[Measured, ...]
    sample: tuple[Measured, ...] = ()
    ways: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[Metric, ...] = QUICK
    quantity: str = "probability"
    trained_on: bool | None = None
    sample_trained_on: int | None = None
    learned: str = ""

    def __post_init__(self) -> None:
        if not self.here or any(self.method not in one.values for one in (*self.here, *self.sample)):
            raise SpecError(f"Evidence: {self.method!r} was not measured on every input")

    @property
    def inputs(self) -> int:
        """How many further inputs there are beside this one."""
        first = self.sample[0].way if self.sample else None
        return sum(one.way == first for one in self.sample)

    def compared(self, *, sample: bool) -> tuple[Compared, ...]:
        """Every metric under every way, of the sample, or of this input alone."""
        found = self.sample if sample else self.here
        ways = list(dict.fromkeys(one.way for one in found))
        return tuple(
            _compared([one for one in found if one.way == way], self.method, metric, way)
            for way in ways
            for metric in self.metrics
        )

    def lines(self) -> tuple[str, ...]:
        """In words and numbers, a sentence a line."""
        return (*self._here(), *self._sample(), *self._trained_on(), self._scope())

    def plain(self) -> dict[str, Any]:
        """As plain values for JSON: the sentences, and every metric on this input and on the sample."""
        return {
            "method": self.method,
            "target": self.target,
            "taken": list(self.taken),
            "inputs": self.inputs,
            "ways": dict(self.ways),
            "trained_on": self.trained_on,
            "sample_trained_on": self.sample_trained_on,
            "lines": list(self.lines()),
            "here": [_plain(one) for one in self.compared(sample=False)],
            "sample": [_plain(one) for one in self.compared(sample=True)],
        }

    def _here(self) -> tuple[str, ...]:
        one, count = self.here[0], counts([TOLD], self.here[0].units)[0]
        after = [each[_TOLD_AT] for each in one.drawn]
        fallen = one.left[self.method][_TOLD_AT]
        low = sum(each <= fallen for each in after)
        units, place = _many(count, self.kind), "" if count == 1 else f" {count}"
        return (
            f"on this input, taking away the {TOLD:.0%} heaviest {plural(self.kind)} "
            f"({count} of {one.units}{self._named(count)}) "
            f"{_moved(f'the {self.quantity} of {self.target!r}', one.whole, fallen)}",
            f"taking away {units} at random: {one.left[RANDOM][_TOLD_AT]:.3f} on average ({len(after)} draws, "
            f"{min(after):.3f} to {max(after):.3f}; {low} of {len(after)} as low); the first{place}: "
            f"{one.left[POSITION][_TOLD_AT]:.3f}; the last{place}: {one.left[REVERSE][_TOLD_AT]:.3f}",
            *(self._other(other) for other in self.here[1:]),
        )

    def _named(self, count: int) -> str:
        """Which were taken away, `count` in all. Where fewer speak for the answer, the rest stand in for them."""
        if not self.taken:
            return "; none of them speaks for the answer: no weight is above 0"
        named = ", ".join(self.taken[:_NAMED]) + (", …" if len(self.taken) > _NAMED else "")
        rest = count - len(self.taken)
        return f": {named}" + (f", and {rest} more without a weight above 0" if rest else "")

    def _other(self, one: Measured) -> str:
        return (
            f"{self._taken_as(one.way)} instead: from {one.whole:.3f} to {one.left[self.method][_TOLD_AT]:.3f}; at "
            f"random: {one.left[RANDOM][_TOLD_AT]:.3f}"
        )

    def _sample(self) -> tuple[str, ...]:
        if not self.sample:
            return ()
        way = self.sample[0].way
        found = [one for one in self.sample if one.way == way]
        falls = {
            name: mean([one.whole - one.left[name][_TOLD_AT] for one in found]) for name in (self.method, *BASELINES)
        }
        mine, gone = falls[self.method], f"taking away the {TOLD:.0%} heaviest {plural(self.kind)}"
        spread = f"on average ({mine.low:.3f} to {mine.high:.3f})" if self.inputs > 1 else "(one input: no interval)"
        return (
            f"on {_further(self.inputs)}, {gone} lowers the {self.quantity} of their answers by "
            f"{mine.value:.3f} {spread}; as many at random: "
            f"{falls[RANDOM].value:.3f}; the first: {falls[POSITION].value:.3f}; the last: {falls[REVERSE].value:.3f}",
            *(self._verdict(one) for one in self.compared(sample=True) if one.way == way),
        )

    def _trained_on(self) -> tuple[str, ...]:
        """Whether these inputs are new to the model: on what it learned by heart an explanation may look better."""
        told = ["this input is a row that the run was trained or validated on"] if self.trained_on else []
        if self.trained_on and self.learned:
            told = [f"the run was trained or validated on {self.learned}this input"]
        if self.sample:
            of, known = _further(self.inputs), self.sample_trained_on
            if known is None:
                told.append(f"whether the model was trained on the {of} is not known")
            elif known:
                told.append(
                    f"the run was trained or validated on {self.learned}{known} of the {of}: of new ones this evidence "
                    "says less"
                )
            else:
                told.append(f"the run was trained or validated on none of the {of}")
        return tuple(told)

    def _verdict(self, one: Compared) -> str:
        gain = one.ahead
        interval = f"{gain.value:.3f} ({gain.low:.3f} to {gain.high:.3f})" if gain.inputs > 1 else f"{gain.value:.3f}"
        told = f"ahead of random order by {interval}" if gain.above_zero else f"not told apart from it: {interval}"
        if gain.below_zero:
            told = f"behind random order by {-gain.value:.3f} ({-gain.high:.3f} to {-gain.low:.3f})"
        return (
            f"{one.metric.name} ({one.metric.better} is better): {one.explanation.value:.3f}, random order "
            f"{one.baselines[RANDOM].value:.3f}; {told}; ahead on {percent(one.won)} of the inputs"
        )

    def _scope(self) -> str:
        how = self._taken_as(self.here[0].way)
        if not self.sample:
            return f"measured on this input alone; {how}"
        return f"measured on this input and on {'1 other' if self.inputs == 1 else f'{self.inputs} others'}; {how}"

    def _taken_as(self, way: str) -> str:
        return f"what is taken away is {self.ways[way]}" if way in self.ways else f"taken away by {way!r}"


def evidence_for(
    question: Question,
    explanations: Mapping[str, ArrayLike],
    method: str,
    *,
    ways: Sequence[str] | None = None,
    metrics: Sequence[Metric] = QUICK,
    draws: int = DRAWS,
    seed: int = 0,
    sample: Sequence[Measured] = (),
    sample_trained_on: int | None = None,
) -> Evidence:
    """Measures explanations of one input, and keeps what there is to say of `method`, one of them.

    explanations: by name, weights (units,). ways: those of the question, by default all of them. sample: what was
    measured on further inputs, sample_trained_on: on how many of them the model was trained. For `metrics`, `draws` and
    `seed` see `measure`.

    Raises:
        SpecError: weights that do not fit the question, or a way or method that is not there.
    """
    names = tuple(question.ways) if ways is None else tuple(ways)
    if method not in explanations or not names:
        raise SpecError(f"evidence for {method!r}: expected one of {', '.join(explanations)}, and at least one way")
    here = tuple(measure(question, explanations, way=way, metrics=metrics, draws=draws, seed=seed) for way in names)
    weights = np.asarray(explanations[method], dtype=np.float64)
    order = heaviest_first(weights, seed=seed)
    heaviest = [place for place in order[: counts([TOLD], len(order))[0]].tolist() if weights[place] > 0]
    return Evidence(
        method=method,
        target=question.target,
        kind=question.units.kind,
        taken=tuple(question.units.placed[place] for place in heaviest),
        here=here,
        sample=tuple(sample),
        ways={name: question.way(name).words for name in names},
        metrics=tuple(metrics),
        quantity=question.quantity,
        trained_on=question.trained_on,
        learned=question.learned,
        sample_trained_on=sample_trained_on,
    )


def _compared(measured: Sequence[Measured], name: str, metric: Metric, way: str) -> Compared:
    return Compared(
        metric=metric,
        way=way,
        explanation=average(measured, name, metric),
        baselines={baseline: average(measured, baseline, metric) for baseline in BASELINES},
        ahead=ahead(measured, name, metric),
        won=won(measured, name, metric),
    )


def _plain(one: Compared) -> dict[str, Any]:
    return {
        "metric": one.metric.name,
        "better": one.metric.better,
        "about": one.metric.about,
        "way": one.way,
        "explanation": vars(one.explanation),
        **{name: vars(found) for name, found in one.baselines.items()},
        "ahead": vars(one.ahead),
        "won": one.won,
    }


def _many(count: int, kind: str) -> str:
    return f"1 {kind}" if count == 1 else f"{count} {plural(kind)}"


def _further(inputs: int) -> str:
    return "1 further input" if inputs == 1 else f"{inputs} further inputs"


def _moved(what: str, before: float, after: float) -> str:
    """`what` is said to move only as far as its figures show it."""
    first, last = f"{before:.3f}", f"{after:.3f}"
    if first == last:
        return f"leaves {what} at {last}"
    return f"{'raises' if after > before else 'lowers'} {what} from {first} to {last}"


def how_many(trained_on: Sequence[bool | None]) -> int | None:
    """On how many of several inputs the model was trained; None where it is not known of one of them, or of none."""
    return sum(map(bool, trained_on)) if trained_on and None not in trained_on else None
