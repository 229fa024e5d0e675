"""Questions about texts, answered: read out where the answer stands, or chosen from the answers that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.tasks.answerer import answers_of, build_answerer, explain_answer, judge_answers, tell_answers
from regard.tasks.baselines.labels import most_frequent
from regard.tasks.baselines.texts import last_mentioned
from regard.tasks.question_data import digest_questions, prepare_questions, read_more_questions, typed_questions
from regard.tasks.scores.short_answers import exact_match, token_f1
from regard.tasks.sections import AnswerSettings, CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Task


def _baselines(data: Prepared) -> Mapping[str, Any]:
    answers = [row.answer for row in data.rows.train]
    usual = most_frequent(answers)
    return {
        f"always {usual!r}": [usual] * len(data.test),
        "the answer mentioned last": last_mentioned([f"{r.context} {r.question}" for r in data.rows.test], answers),
    }


_TOMI = Settings(
    task="answer",
    data=DataSettings(source="tomi"),
    tokens=TokenSettings(size=20_000, longest=256),
    answers=AnswerSettings(),
    core=CoreSettings(
        kind="transformer", dim=64, hidden=128, layers=4, dropout=0.3, block_dropout=0.1, token_dropout=0.1
    ),
    train=TrainSettings(epochs=24, batch=64, rate=2e-3, weight_decay=0.05, warmup=0.1),
)

ANSWER = Task(
    name="answer",
    about="questions about texts: the answer read out of the text, or chosen from those that are known",
    example="regard train answer --data QUESTIONS.jsonl",
    beside="always the most frequent answer; the answer mentioned last",
    takes="about 2 minutes on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet with a context, a question and an answer a row; rows of one group (a story) stay "
    "in one part",
    presets={"tomi": _TOMI, "quartz": changed(_TOMI, {"data.source": "quartz"})},
    digest=digest_questions,
    prepare=prepare_questions,
    build=build_answerer,
    judge=judge_answers,
    answer=answers_of,
    measures=lambda setup: (exact_match, token_f1),
    baselines=_baselines,
    unused=("core.budget", "train.focus"),
    roles=("context", "question", "answer", "group"),
    read=read_more_questions,
    typed=typed_questions,
    tell=tell_answers,
    explain=explain_answer,
    heads=("head",),
)
