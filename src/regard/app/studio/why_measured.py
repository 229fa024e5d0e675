"""How faithful explanations are: on the input that was asked about, and on further ones."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch

from regard.app.studio.jobs import Job
from regard.spec.errors import RegardError

if TYPE_CHECKING:
    from regard.app.studio.why_sample import Sample
    from regard.lens.evidence import Evidence
    from regard.lens.explanation import Explanation
    from regard.lens.faithfulness import Measured
    from regard.lens.question import Question

_LONGEST = (
    120.0  # seconds that measuring on this input may take, as the first pass lets expect; on the others, as spent
)
_DRAWS = 20
_TRIED = 4  # passes by which the time of one is told
_CHOOSING = 3  # one part in so many of the further inputs is for choosing the best method, the rest for its evidence
_CHOSEN_ON = 10  # of them at most
_TOLD = 0.55  # of the job's time has gone by when measuring begins


@dataclass(frozen=True)
class Faithful:
    """evidence: by method. best: the most faithful one; None where nothing was measured. note: why it is the best, or
    why there is none. notes: of the further inputs. tied: the others that the best one is not told apart from."""

    evidence: Mapping[str, Evidence]
    best: str | None
    note: str
    notes: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()


@dataclass
class _Further:
    """What was measured on further inputs: some to choose on, the others as evidence."""

    choosing: list[Measured] = field(default_factory=list)
    rest: list[Measured] = field(default_factory=list)
    known: list[bool | None] = field(default_factory=list)  # of the rest, whether the model was trained on it
    notes: list[str] = field(default_factory=list)


def measured(job: Job, question: Question, made: Mapping[str, Explanation], sample: Sample | None) -> Faithful:
    """made: the explanations of this input, by method."""
    from regard.lens.evidence import TOLD, evidence_for, how_many
    from regard.lens.faithfulness import BASELINES, SHARES, choose
    from regard.lens.faithfulness.orders import counts

    each = _partial_inputs(len(made) + _DRAWS + len(BASELINES) - 1, len(question.units), len(SHARES))
    once = _seconds(question)
    ways = tuple(question.ways)
    if once * each * len(ways) > _LONGEST:
        ways = (question.default,)
    if once * each > _LONGEST:
        minutes = once * each / 60
        said = f"Not measured: about {each:,} passes of the model, {minutes:.0f} minutes. Give a shorter input."
        return Faithful({}, None, said)
    job.tell(_TOLD, f"measuring how faithful: {each * len(ways):,} passes of the model")
    weights = {name: one.weights for name, one in made.items()}
    first = evidence_for(question, weights, next(iter(weights)), ways=ways, draws=_DRAWS)
    further = _Further() if sample is None else _on_others(job, tuple(made), sample)
    chosen = choose([*first.here, *further.choosing])
    tenth = counts([TOLD], len(question.units))[0]
    evidence = {
        name: replace(
            first,
            method=name,
            taken=tuple(question.units.placed[at] for at, weight in one.heaviest(tenth) if weight > 0),
            sample=tuple(further.rest),
            sample_trained_on=how_many(further.known),
        )
        for name, one in made.items()
    }
    note = f"{chosen.name}: {chosen.why}"
    return Faithful(evidence, chosen.name, note, tuple(further.notes), tuple(chosen.tied))


def _on_others(job: Job, methods: Sequence[str], sample: Sample) -> _Further:
    """Each further input explained by every method and measured, until the time is up."""
    found, until, wrong = _Further(), time.monotonic() + _LONGEST, list[str]()
    choosing = min(len(sample.asks) // _CHOOSING, _CHOSEN_ON)
    done = 0
    for place, ask in enumerate(sample.asks):
        share = place / len(sample.asks)
        job.tell(_TOLD + (0.98 - _TOLD) * share, f"measured on {place:,} of {len(sample.asks):,} inputs")
        if time.monotonic() > until:
            found.notes.append(
                f"The time was up after {place:,} of {len(sample.asks):,} inputs ({_LONGEST:.0f} seconds)."
            )
            break
        try:
            asked = ask()
            one = _measured_on(asked, methods, seed=place + 1)
        except RegardError as error:
            wrong.append(" ".join(str(error).split()))
            continue
        if done < choosing:
            found.choosing.append(one)
        else:
            found.rest.append(one)
            found.known.append(asked.trained_on)
        done += 1
    told = f"Measured on {len(found.rest):,} rows of {sample.name}, each about its own answer"
    told += f"; the best method was chosen on this input and {len(found.choosing):,} further rows."
    found.notes.insert(0, told)
    if wrong:
        found.notes.append(f"{len(wrong):,} rows were left out, the first because: {wrong[0]}")
    if sample.refused:
        found.notes.append(f"{sample.refused:,} rows of {sample.name} cannot be used.")
    return found


def _measured_on(question: Question, methods: Sequence[str], *, seed: int) -> Measured:
    from regard.lens.explain import weigh
    from regard.lens.faithfulness import QUICK, measure

    weights = {name: weigh(question, name).weights for name in methods}
    return measure(question, weights, metrics=QUICK, draws=_DRAWS, seed=seed)


def _partial_inputs(orders: int, units: int, shares: int) -> int:
    """At most so many of one way: each order asks twice about each share, without its heaviest units and with them
    alone, and few units have few parts."""
    return min(2 * orders * shares, 1 << min(units, 30))


def _seconds(question: Question) -> float:
    """Of one pass, by a few that go together."""
    whole = torch.ones(_TRIED, len(question.units), dtype=torch.bool)
    began = time.perf_counter()
    question.scores(whole)
    return (time.perf_counter() - began) / _TRIED
