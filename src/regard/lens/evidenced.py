"""Explanations with their evidence: measured on the input that they explain, and on further ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from regard.lens.evidence import DRAWS, evidence_for
from regard.lens.explanation import Explanation
from regard.lens.faithfulness import QUICK, Measured, Metric, measure
from regard.lens.methods import Asking, method_named
from regard.lens.question import Question
from regard.spec.errors import SpecError

__all__ = ["evidenced", "sampled"]


def evidenced(
    question: Question,
    explanation: Explanation,
    *,
    ways: Sequence[str] | None = None,
    metrics: Sequence[Metric] = QUICK,
    draws: int = DRAWS,
    seed: int = 0,
    sample: Sequence[Measured] = (),
    sample_trained_on: int | None = None,
) -> Explanation:
    """The explanation with the evidence for it; `sample`: what `sampled` gave. For the rest see `evidence_for`."""
    found = evidence_for(
        question,
        {explanation.method: explanation.weights},
        explanation.method,
        ways=ways,
        metrics=metrics,
        draws=draws,
        seed=seed,
        sample=sample,
        sample_trained_on=sample_trained_on,
    )
    return replace(explanation, evidence=found)


def sampled(
    questions: Iterable[Question],
    method: str,
    *,
    asking: Asking | None = None,
    metrics: Sequence[Metric] = QUICK,
    draws: int = DRAWS,
) -> Iterator[Measured]:
    """Further inputs, one after the other: each explained by the method, and measured under the way of `asking` (the
    questions' first one by default). Each input has random orders of its own.

    Raises:
        SpecError: a question that the method cannot answer.
    """
    chosen, asking = method_named(method), Asking() if asking is None else asking
    for place, question in enumerate(questions):
        lacking = chosen.missing(question)
        if lacking is not None:
            raise SpecError(lacking)
        weights = chosen.weigh(question, asking).weights
        yield measure(
            question, {method: weights}, way=asking.way, metrics=metrics, draws=draws, seed=asking.seed + place + 1
        )
