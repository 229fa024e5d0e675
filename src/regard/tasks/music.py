"""Music: the next note of a tune, written as symbols; a model that writes tunes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from regard.tasks.alphabet import run_alphabet
from regard.tasks.blocks import BlockBatch
from regard.tasks.explained import Explained
from regard.tasks.next_symbol import (
    ORDER,
    answer_next,
    build_next,
    explain_next,
    judge_next,
    ngram_answers,
    write_on,
)
from regard.tasks.scores.symbols import bits_per, perplexity
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.tune_data import (
    digest_tunes,
    prepare_tunes,
    read_more_tunes,
    scored_notes,
    tune_ids,
    typed_tunes,
)

_WRITTEN = 64  # symbols that `regard predict` writes on


def _baselines(data: Prepared) -> Mapping[str, Any]:
    train, test = (tune_ids(part, data.setup) for part in (data.rows.train, data.rows.test))
    return ngram_answers(train, test, scored_notes(data.rows.test, data.setup), symbols=data.setup.facts["vocabulary"])


def _tell(model: nn.Module, batch: BlockBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """How each tune goes on."""
    alphabet = run_alphabet(setup)
    return [{"written": alphabet.joined(ids)} for ids in write_on(model, batch, longest=_WRITTEN)]


def _explain(model: nn.Module, batch: BlockBatch, setup: Setup) -> Explained:
    return explain_next(model, batch, name=run_alphabet(setup).name, kind="note")


_BACH = Settings(
    task="music",
    data=DataSettings(source="bach"),
    tokens=TokenSettings(kind="words", size=2000, least=2, longest=128, lowercase=False),
    core=CoreSettings(kind="transformer", dim=128, hidden=256, layers=3, dropout=0.3, block_dropout=0.1),
    train=TrainSettings(epochs=10, batch=16, rate=2e-3, weight_decay=0.05),
)

MUSIC = Task(
    name="music",
    about="the next note of a tune, of any symbols: a model that writes tunes on",
    example="regard train music --data TUNES.jsonl",
    beside=f"{ORDER}-grams with Witten-Bell smoothing",
    takes="less than a minute on two cores (estimated from processor time)",
    files="csv, tsv, jsonl or parquet with a column of symbols (notes, parted by spaces); rows of one group (a work) "
    "stay in one part",
    presets={"bach": _BACH, "folk": changed(_BACH, {"data.source": "folk-tunes", "train.epochs": 5})},
    digest=digest_tunes,
    prepare=prepare_tunes,
    build=build_next,
    judge=judge_next,
    answer=answer_next,
    measures=lambda setup: (bits_per("symbol"), perplexity),
    baselines=_baselines,
    chosen_by="loss",
    unused=(
        "core.budget",
        "core.token_dropout",
        "train.label_smoothing",
        "train.focus",
        "tokens.kind",
        "tokens.keep",
        "tokens.lowercase",
    ),
    roles=("symbols", "group"),
    read=read_more_tunes,
    typed=typed_tunes,
    tell=_tell,
    explain=_explain,
    heads=("head",),
)
