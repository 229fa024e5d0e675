"""Tags of words: a part of speech, say, for each word of a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from regard.tasks.baselines.tags import usual_tags
from regard.tasks.scores.symbols import token_accuracy
from regard.tasks.sections import CoreSettings, DataSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.tag_data import digest_tagged, prepare_tagged, read_more_tagged, typed_sentences
from regard.tasks.tagger import Tagger, explain_tags, judge_tags, tags_of, tell_tags
from regard.tasks.task import Prepared, Task


def _baselines(data: Prepared) -> Mapping[str, Any]:
    places = {tag: place for place, tag in enumerate(data.setup.facts["tags"])}
    train = [(row.tokens, row.tags) for row in data.rows.train]
    found = usual_tags(train, [row.tokens for row in data.rows.test])
    return {"each word's most frequent tag": [np.array([places[tag] for tag in row]) for row in found]}


_BROWN = Settings(
    task="tag",
    data=DataSettings(source="brown", test_rows=0.1, validation_rows=0.05),
    tokens=TokenSettings(kind="words", size=20_000),
    core=CoreSettings(
        kind="transformer", dim=96, hidden=192, layers=2, dropout=0.2, block_dropout=0.0, token_dropout=0.05
    ),
    train=TrainSettings(epochs=4, batch=256, tokens=4096, rate=3e-3, weight_decay=0.01),
)

TAG = Task(
    name="tag",
    about="a tag for each word of a sentence, such as its part of speech",
    example="regard train tag --data SENTENCES.jsonl",
    beside="each word's most frequent tag",
    takes="about 1 minute on two cores (estimated from processor time)",
    files="jsonl or parquet with two lists a row, tokens and tags; rows of one group (a text) stay in one part",
    presets={"brown": _BROWN},
    digest=digest_tagged,
    prepare=prepare_tagged,
    build=lambda setup: Tagger(setup.settings.core, setup.facts["sizes"], tags=len(setup.facts["tags"])),
    judge=judge_tags,
    answer=tags_of,
    measures=lambda setup: (replace(token_accuracy, name="accuracy"),),
    baselines=_baselines,
    unused=("core.budget", "train.focus", "tokens.kind", "tokens.longest", "tokens.keep", "tokens.lowercase"),
    roles=("tokens", "tags", "group"),
    read=read_more_tagged,
    typed=typed_sentences,
    tell=tell_tags,
    explain=explain_tags,
    heads=("head",),
)
