"""Translation: a text in one language, or one way of speaking, into another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regard.tasks.baselines.nearest import nearest_texts
from regard.tasks.pair_alignment import explain_written
from regard.tasks.pairs_data import digest_pairs, prepare_pairs, read_more_pairs, typed_sources
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.translation import bleu, chrf
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings, WritingSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.vocabulary import is_spaceless
from regard.tasks.writer import answer_written, build_writer, judge_written, tell_written


def _measures(setup: Setup) -> tuple[Measure, ...]:
    """BLEU with the tokens of the target's script; chrF, which needs none."""
    return bleu("zh" if setup.facts.get("spaceless") else "13a"), chrf()


def _baselines(data: Prepared) -> Mapping[str, Any]:
    known, asked = data.rows.train, [pair.source for pair in data.rows.test]
    sources = [pair.source for pair in known]
    nearest = nearest_texts(sources, asked, spaceless=is_spaceless(sources))
    return {"the nearest source's translation": [known[row].target for row in nearest]}


def both_cores(settings: Settings) -> dict[str, Settings]:
    """Presets: a transformer as it is given, and an RNN with additive attention that takes about as long."""
    classical = CoreSettings(kind="bilstm", dim=192, hidden=192, layers=1, dropout=0.2)
    return {"transformer": settings, "bilstm": settings.model_copy(update={"core": classical})}


_HELP = Settings(
    task="translate",
    data=DataSettings(source="help-en-de", test_rows=2000, validation_rows=1000),
    tokens=TokenSettings(kind="subwords", size=4000, longest=128, keep="first", lowercase=False),
    writing=WritingSettings(longest=128),
    core=CoreSettings(kind="transformer", dim=128, hidden=512, layers=2, heads=4, dropout=0.1),
    train=TrainSettings(epochs=9, batch=256, tokens=2048, rate=3e-3, label_smoothing=0.1),
)

TRANSLATE = Task(
    name="translate",
    about="a text into another language; any pairs of texts are learned alike, questions and replies too",
    example="regard train translate --data examples/pairs.csv --epochs 60",
    beside="the translation of the nearest source in the training part",
    takes="about 10 minutes on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet with a source and a target a row; rows of one group stay in one part",
    presets=both_cores(_HELP),
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
