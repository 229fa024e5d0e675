"""Summaries: a long text, said in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.tasks.baselines.texts import first_sentences, first_words, typical_length
from regard.tasks.pair_alignment import explain_written
from regard.tasks.pairs_data import digest_pairs, prepare_pairs, read_more_pairs, typed_sources
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.summaries import rouge
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings, WritingSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.writer import answer_written, build_writer, judge_written, tell_written


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

SUMMARISE = Task(
    name="summarise",
    about="a long text in one line",
    example="regard train summarise --data examples/notices.jsonl --epochs 60",
    beside="the first sentence; the first words, as many as a summary has",
    takes="not measured yet",
    files="csv, tsv, jsonl or parquet with a source and a target a row; rows of one group stay in one part",
    presets={"transformer": _PACKAGES, "bilstm": _PACKAGES.model_copy(update={"core": _CLASSICAL})},
    digest=digest_pairs,
    prepare=prepare_pairs,
    build=build_writer,
    judge=judge_written,
    answer=answer_written,
    measures=_measures,
    baselines=_baselines,
    chosen_by="loss",
    unused=("core.budget", "core.token_dropout", "train.focus", "tokens.lowercase"),
    roles=("source", "target", "group"),
    read=read_more_pairs,
    typed=typed_sources,
    tell=tell_written,
    explain=explain_written,
)
