"""Summaries: a long text, said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from regard.tasks.baselines.texts import first_sentences, first_words, typical_length
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.summaries import rouge
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings, WritingSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Prepared, Setup
from regard.tasks.translate import TRANSLATE


def _measures(setup: Setup) -> tuple[Measure, ...]:
    spaceless = bool(setup.facts.get("spaceless"))
    return tuple(rouge(kind, spaceless=spaceless) for kind in ("L", "1", "2"))


def _baselines(data: Prepared) -> Mapping[str, Any]:
    texts = [pair.source for pair in data.rows.test]
    count = typical_length(pair.target for pair in data.rows.train)
    return {"first sentence": first_sentences(texts), f"first {count} words": first_words(texts, count)}


_PACKAGES = Settings(
    task="summarise",
    data=DataSettings(source="package-summaries", test_rows=2000, validation_rows=1000),
    tokens=TokenSettings(kind="subwords", size=8000, longest=96, keep="ends", lowercase=False),
    writing=WritingSettings(longest=32),
    core=CoreSettings(kind="transformer", dim=192, hidden=512, layers=2, heads=4, dropout=0.2),
    train=TrainSettings(epochs=8, batch=256, tokens=6144, rate=1.5e-3, label_smoothing=0.1),
)
_CLASSICAL = CoreSettings(kind="bilstm", dim=192, hidden=192, layers=1, dropout=0.2)

SUMMARISE = replace(
    TRANSLATE,
    name="summarise",
    about="a long text in one line",
    example="regard train summarise --data examples/notices.jsonl --epochs 60",
    beside="the first sentence; the first words, as many as a summary has",
    presets={"transformer": _PACKAGES, "bilstm": _PACKAGES.model_copy(update={"core": _CLASSICAL})},
    measures=_measures,
    baselines=_baselines,
)
