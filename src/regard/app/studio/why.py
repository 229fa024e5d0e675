"""Explanations of one answer by several methods, each with its evidence: how faithful, beside random order."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from regard.app.studio.inputs import Input
from regard.app.studio.jobs import Job
from regard.app.studio.looking import told
from regard.app.studio.picture import units
from regard.app.studio.readying import Desk, explained_by
from regard.app.studio.subjects import Found
from regard.app.studio.typed import explain_line
from regard.app.studio.why_looked import ATTENTION, LIMITS, looked_at, picture_of
from regard.app.studio.why_measured import measured
from regard.app.studio.why_sample import Sample, SampleOf, sampled
from regard.spec.errors import MissingExtraError, RegardError, RunError, SpecError

if TYPE_CHECKING:
    from regard.lens.evidence import Evidence
    from regard.lens.explanation import Explanation
    from regard.lens.question import Question
    from regard.tasks.task import Given
    from regard.train.run import Run

BEST = "best"


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
    job: Job,
    desk: Desk,
    found: Found,
    given: Input,
    *,
    target: str | None,
    methods: Sequence[str],
    sample: SampleOf | None = None,
) -> dict[str, Any]:
    """Asks why the model gives its answer (or `target`), by each method, and measures how faithful each is, on this
    input and on those of a `sample`.

    Raises whatever reading the model or its input raises; `SpecError` for a method or target that is not there.
    """
    check_methods(methods)
    job.tell(0.0, f"reading {found.name}")
    model, others = _question(job, desk, found, given, target)
    if model is None:
        job.command = explain_line(found, given, html=others["page"])  # which writes no page where there is nothing
        return others
    question = model
    more = None if sample is None else sampled(desk, found, given, sample)
    job.tell(0.05, f"{found.name} says {question.target}")
    module = None if question.attention is None else question.attention.model
    with told(module, lambda *_: None, job.check) if module is not None else nullcontext():
        made = _answered(job, question, methods, others, more)
    return made | {"picture": picture_of(desk, found, given) if question.units.grid is not None else None}


def check_methods(methods: Sequence[str]) -> None:
    """Raises `SpecError` for one that is not there."""
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
        return None, looked_at(looked, str(error))
    return question, _answers(run, rows, row)


def _answers(run: Run, rows: Given, row: int) -> dict[str, float]:
    """What the run says of the row: its answers by probability, where it tells them."""
    if run.task.tell is None:
        return {}
    with torch.no_grad():
        said = run.task.tell(run.model, rows.part.batch(np.array([row])), run.setup)[0]
    listed = said.get("probabilities")
    return dict(listed) if isinstance(listed, Mapping) else {}


def _answered(
    job: Job, question: Question, methods: Sequence[str], answers: Mapping[str, float], more: Sample | None
) -> dict[str, Any]:
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
    found = measured(job, question, made, more)
    return {
        "target": question.target,
        "probability": question.probability,
        "quantity": question.quantity,
        "targets": sorted(answers.items(), key=lambda pair: -pair[1]) or [[question.target, question.probability]],
        "units": units(question.units),
        "best": found.best,
        "tied": list(found.tied),
        "note": found.note,
        "limits": LIMITS,
        "left_out": left,
        "notes": [*question.notes, *found.notes],
        "explanations": [
            _plain(one, found.evidence.get(name), seconds[name], chosen=name == found.best)
            for name, one in made.items()
        ],
    }


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
        for one in (*evidence.compared(sample=True), *evidence.compared(sample=False))
    ]
