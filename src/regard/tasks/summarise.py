"""Summaries: a long text, said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regard.tasks.baselines.texts import first_sentences, first_words, typical_length
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.summaries import rouge
from regard.tasks.settings import changed
from regard.tasks.task import Prepared, Setup
from regard.tasks.translate import TRANSLATE, both_cores


def _measures(setup: Setup) -> tuple[Measure, ...]:
    spaceless = bool(setup.facts.get("spaceless"))
    return tuple(rouge(kind, spaceless=spaceless) for kind in ("L", "1", "2"))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    texts = [pair.source for pair in data.rows.test]
    count = typical_length(pair.target for pair in data.rows.train)
    return {"first sentence": first_sentences(texts), f"first {count} words": first_words(texts, count)}


_PACKAGES = changed(
    TRANSLATE.settings(),
    {
        "task": "summarise",
        "data.source": "package-summaries",
        "tokens.size": 8000,
        "tokens.longest": 96,
        "tokens.keep": "ends",
        "writing.longest": 32,
        "core.dim": 192,
        "core.dropout": 0.2,
        "train.epochs": 8,
        "train.tokens": 6144,
        "train.rate": 1.5e-3,
    },
)

SUMMARISE = replace(
    TRANSLATE,
    name="summarise",
    about="a long text in one line",
    example="regard train summarise --data examples/notices.jsonl --epochs 60",
    beside="the first sentence; the first words, as many as a summary has",
    takes="about 30 minutes on two cores (estimated from processor time)",
    presets=both_cores(_PACKAGES),
    measures=_measures,
    baselines=_baselines,
)
