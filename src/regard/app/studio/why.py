"""Explanations of one answer by several methods, each with its evidence: how faithful, beside random order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.looking import told
from regard.app.studio.picture import units
from regard.app.studio.readying import Desk, explained_by
from regard.app.studio.subjects import Found
from regard.lens.units import Units
from regard.spec.errors import MissingExtraError, RegardError, RunError, SpecError

if TYPE_CHECKING:
    from regard.lens.evidence import Evidence
    from regard.lens.explanation import Explanation
    from regard.lens.question import Question
    from regard.tasks.task import Given
    from regard.train.run import Run

BEST = "best"
ATTENTION = "attention"  # where a run can only say where it looked
_LONGEST = 120.0  # seconds that measuring may take, as the first pass lets expect
_DRAWS = 20
_TRIED = 4  # passes by which the time of one is told
LIMITS = (
    "A weight says how much a method lays on a unit, not that the unit alone made the answer: read it beside its "
    "evidence. An answer may rest on units together."
)


def methods() -> list[dict[str, Any]]:
    """Those there are, for the page."""
    from regard.lens.methods import METHODS

    best = {
        "name": BEST,
        "about": "all that the model allows, the most faithful one first",
        "signed": True,
        "paper": "",
    }
    return [
        best,
        *({"name": one.name, "about": one.about, "signed": one.signed, "paper": one.paper} for one in METHODS),
    ]


def why(
    job: Job, desk: Desk, found: Found, given: Input, *, target: str | None, methods: Sequence[str]
) -> dict[str, Any]:
    """Asks why the model gives its answer (or `target`), by each method, and measures how faithful each is.

    Raises whatever reading the model or its input raises; `SpecError` for a method or target that is not there.
    """
    _check(methods)
    job.tell(0.0, f"reading {found.name}")
    model, others = _question(job, desk, found, given, target)
    if model is None:
        return others
    question = model
    job.tell(0.05, f"{found.name} says {question.target}")
    module = None if question.attention is None else question.attention.model
    if module is None:
        return _answered(job, question, methods, others)
    with told(module, lambda *_: None, job.check):
        return _answered(job, question, methods, others)


def _check(methods: Sequence[str]) -> None:
    from regard.lens.methods import method_named

    for name in methods:
        if name not in (BEST, ATTENTION):
            method_named(name)


def _question(
    job: Job, desk: Desk, found: Found, given: Input, target: str | None
) -> tuple[Question | None, dict[str, Any]]:
    """(the question, the answers there are); or (None, where the run looked) of a run that is asked no questions."""
    if found.kind == "model":
        from regard.app.studio.why_folder import question_of_folder

        return question_of_folder(desk, found, given, target), {}
    from regard.train.run import load_run

    # not the one that looks are taken with: what a run says is said without gradients, and some of it may be kept
    run = desk.models.get(("asked", found.path), lambda: load_run(found.path))
    rows, row = desk.given(run, given)
    try:
        question = run.question(rows, target, row=row, words=True)
    except RunError as error:
        looked = None if target is not None else explained_by(run, rows.part.batch(np.array([row])))
        if looked is None:
            raise
        return None, _looked_at(looked, str(error))
    return question, _answers(run, rows, row)


def _answers(run: Run, rows: Given, row: int) -> dict[str, float]:
    """What the run says of the row: its answers by probability, where it tells them."""
    if run.task.tell is None:
        return {}
    with torch.no_grad():
        said = run.task.tell(run.model, rows.part.batch(np.array([row])), run.setup)[0]
    listed = said.get("probabilities")
    return dict(listed) if isinstance(listed, Mapping) else {}


def _answered(job: Job, question: Question, methods: Sequence[str], answers: Mapping[str, float]) -> dict[str, Any]:
    from regard.lens.explain import PASSES, weigh
    from regard.lens.methods import METHODS

    asked = [one.name for one in METHODS] if BEST in methods else list(dict.fromkeys(methods))
    made: dict[str, Explanation] = {}
    seconds: dict[str, float] = {}
    left: list[dict[str, str]] = []
    for place, method in enumerate(one for one in METHODS if one.name in asked):
        job.tell(0.05 + 0.45 * place / len(asked), method.name)
        passes = method.cost(len(question.units))
        reason = (
            f"about {passes:,} passes of the model" if BEST in methods and passes > PASSES else method.missing(question)
        )
        began = time.perf_counter()
        if reason is None:
            try:
                made[method.name] = weigh(question, method.name)
            except MissingExtraError as error:
                reason = str(error)
            except RegardError as error:
                if BEST not in methods and len(asked) == 1:
                    raise
                reason = str(error)
        seconds[method.name] = time.perf_counter() - began
        if reason is not None:
            left.append({"method": method.name, "why": reason})
    if not made:
        reasons = "; ".join(": ".join(one.values()) for one in left)
        raise SpecError(f"no method can explain this answer: {reasons}")
    evidence, chosen, note = _measured(job, question, made)
    return {
        "target": question.target,
        "probability": question.probability,
        "quantity": question.quantity,
        "targets": sorted(answers.items(), key=lambda pair: -pair[1]) or [[question.target, question.probability]],
        "units": units(question.units),
        "best": chosen,
        "note": note,
        "limits": LIMITS,
        "left_out": left,
        "notes": list(question.notes),
        "explanations": [
            _plain(one, evidence.get(name), seconds[name], chosen=name == chosen) for name, one in made.items()
        ],
    }


def _measured(
    job: Job, question: Question, made: Mapping[str, Explanation]
) -> tuple[dict[str, Evidence], str | None, str]:
    """(evidence by method, the most faithful of them, why), or why there is none."""
    from regard.lens.evidence import evidence_for
    from regard.lens.faithfulness import BASELINES, SHARES, choose

    each = _partial_inputs(len(made) + _DRAWS + len(BASELINES) - 1, len(question.units), len(SHARES))
    once = _seconds(question)
    ways = tuple(question.ways)
    if once * each * len(ways) > _LONGEST:
        ways = (question.default,)
    if once * each > _LONGEST:
        minutes = once * each / 60
        said = f"Not measured: about {each:,} passes of the model, {minutes:.0f} minutes. Give a shorter input."
        return {}, None, said
    job.tell(0.55, f"measuring how faithful: {each * len(ways):,} passes of the model")
    weights = {name: one.weights for name, one in made.items()}
    first = evidence_for(question, weights, next(iter(weights)), ways=ways, draws=_DRAWS)
    chosen = choose(first.here)
    found = {
        name: replace(
            first, method=name, taken=tuple(question.units.texts[at] for at, _ in one.heaviest(len(first.taken)))
        )
        for name, one in made.items()
    }
    return found, chosen.name, f"{chosen.name}: {chosen.why}"


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


def _plain(one: Explanation, evidence: Evidence | None, seconds: float, *, chosen: bool) -> dict[str, Any]:
    from regard.lens.methods import method_named

    return {
        "method": one.method,
        "about": method_named(one.method).about,
        "signed": method_named(one.method).signed,
        "how": one.how,
        "seconds": round(seconds, 3),
        "weights": one.weights.tolist(),
        "chosen": chosen,
        "evidence": None if evidence is None else {"lines": list(evidence.lines()), "rows": _rows(evidence)},
    }


def _rows(evidence: Evidence) -> list[dict[str, Any]]:
    return [
        {
            "measure": one.metric.name,
            "about": one.metric.about,
            "better": one.metric.better,
            "replacement": one.way,
            "words": evidence.ways.get(one.way, ""),
            "value": one.explanation.value,
            "low": one.explanation.low,
            "high": one.explanation.high,
            **{name: found.value for name, found in one.baselines.items()},
            "inputs": one.explanation.inputs,
        }
        for one in evidence.compared(sample=False)
    ]


def _looked_at(found: Any, reason: str) -> dict[str, Any]:
    """Where a run looked, without evidence."""
    texts = tuple(unit.name for unit in found.units)
    weights = [unit.weight for unit in found.units]
    seen = found.picture
    grid = (seen.rows, seen.columns) if seen is not None and seen.rows * seen.columns == len(texts) else None
    explanation = {
        "method": ATTENTION, "about": found.how, "signed": False, "how": found.how, "seconds": 0.0, "weights": weights,
        "chosen": True, "evidence": None,
    }  # fmt: skip
    return {
        "target": found.answer, "probability": None, "quantity": "probability", "targets": [],
        "units": units(Units(texts, found.kind, grid=grid)), "best": None, "note": f"Not measured: {reason}.",
        "limits": LIMITS, "left_out": [], "notes": [], "explanations": [explanation],
    }  # fmt: skip
