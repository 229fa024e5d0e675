"""Writing on: a model of the next character, or subword, of any texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from regard.tasks.blocks import BlockBatch
from regard.tasks.explained import Explained
from regard.tasks.language_data import (
    digest_texts,
    prepare_texts,
    read_documents_for,
    scored_symbols,
    symbols_of,
    typed_beginnings,
)
from regard.tasks.next_symbol import (
    ORDER,
    answer_next,
    build_next,
    explain_next,
    judge_next,
    ngram_answers,
    write_on,
)
from regard.tasks.scores.symbols import bits_per
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings, changed
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.text_symbols import written

_WRITTEN = 200  # symbols that `regard predict` writes on


def _baselines(data: Prepared) -> Mapping[str, Any]:
    symbols, parts = symbols_of(data.setup), (data.rows.train, data.rows.test)
    train, test = ([one.ids for one in written(symbols, [row.text for row in part])] for part in parts)
    places = scored_symbols(data.rows.test, data.setup)
    return ngram_answers(train, test, places, symbols=data.setup.facts["vocabulary"])


def _tell(model: nn.Module, batch: BlockBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    """What it writes on."""
    symbols = symbols_of(setup)
    return [{"written": symbols.decode(ids)} for ids in write_on(model, batch, longest=_WRITTEN)]


def _explain(model: nn.Module, batch: BlockBatch, setup: Setup) -> Explained:
    """Which characters so far the last one attended to, and what comes next."""
    symbols = symbols_of(setup)

    def name(one: int) -> str:
        shown: str = symbols.decode([one]).replace(" ", "␣").replace("\n", "⏎")
        return shown or str(symbols.id_to_token(one))

    return explain_next(model, batch, name=name, kind="symbol")


_CHARACTERS = Settings(
    task="language-model",
    data=DataSettings(source="shakespeare", test_rows=4, validation_rows=2),
    tokens=TokenSettings(kind="characters", size=1000, longest=256, lowercase=False),
    core=CoreSettings(kind="transformer", dim=128, hidden=512, layers=4, dropout=0.1),
    train=TrainSettings(epochs=4, batch=32, tokens=8192, weight_decay=0.05),
)

LANGUAGE_MODEL = Task(
    name="language-model",
    about="the next character, or subword, of texts: a model that writes on",
    example="regard train language-model --data BOOK.txt",
    beside=f"{ORDER}-grams with Witten-Bell smoothing",
    takes="about 17 minutes on two cores (estimated from processor time)",
    files="a .txt file, a folder of them, or csv, tsv, jsonl or parquet with a column of texts",
    presets={
        "characters": _CHARACTERS,
        "subwords": changed(_CHARACTERS, {"tokens.kind": "subwords", "tokens.size": 4000}),
    },
    digest=digest_texts,
    prepare=prepare_texts,
    build=build_next,
    judge=judge_next,
    answer=answer_next,
    measures=lambda setup: (bits_per("character"),),
    baselines=_baselines,
    chosen_by="loss",
    unused=(
        "core.budget",
        "core.token_dropout",
        "train.label_smoothing",
        "train.focus",
        "tokens.keep",
        "tokens.lowercase",
    ),
    roles=("text",),
    read=read_documents_for,
    typed=typed_beginnings,
    tell=_tell,
    explain=_explain,
    heads=("head",),
)
