"""Captions: what a picture shows, or is called, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from regard.nn.decoder import Decoder
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.heads import NextToken
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec import Rotary
from regard.tasks.baselines.labels import most_frequent
from regard.tasks.baselines.nearest import nearest_pictures
from regard.tasks.caption_data import digest_captions, prepare_captions, read_more_captions
from regard.tasks.image_data import image_front_end
from regard.tasks.pair_part import EDGE_ID
from regard.tasks.pairs_data import target_symbols
from regard.tasks.picture_alignment import explain_caption
from regard.tasks.scores.measure import Measure
from regard.tasks.scores.short_answers import exact_match, token_f1
from regard.tasks.scores.translation import chrf
from regard.tasks.sections import (
    CoreSettings,
    DataSettings,
    ImageSettings,
    TokenSettings,
    TrainSettings,
    WritingSettings,
)
from regard.tasks.settings import Settings
from regard.tasks.task import Prepared, Setup, Task
from regard.tasks.writer import answer_written, judge_written, tell_written


def _build(setup: Setup) -> SequenceToSequence:
    core, size = setup.settings.core, target_symbols(setup).get_vocab_size()
    shape: dict[str, Any] = {"layers": core.layers, "hidden": core.hidden, "dropout": core.block_dropout}
    target = TokenEmbedding(size, core.dim, dropout=core.dropout)
    decoder = Decoder(core.dim, core.heads, context_dim=core.dim, rotary=Rotary(), **shape)
    writer = TransformerDecoder(target, decoder, NextToken(core.dim, size, tied=target), begin=EDGE_ID)
    return SequenceToSequence(image_front_end(setup), Encoder(core.dim, core.heads, **shape), writer)


def _measures(setup: Setup) -> tuple[Measure, ...]:
    """No BLEU: names are shorter than the four words that it counts."""
    return chrf(), exact_match, token_f1


def _baselines(data: Prepared) -> Mapping[str, Any]:
    texts = data.train.truths  # type: ignore[union-attr]
    known, asked = (part.batch(np.arange(len(part))).given[0].numpy() for part in (data.train, data.test))
    nearest, usual = nearest_pictures(known, asked)[:, 0], most_frequent(texts)
    return {
        f"always {usual!r}": [usual] * len(data.test),
        "the caption of the nearest picture": [texts[row] for row in nearest],
    }


_EMOJI = Settings(
    task="caption",
    data=DataSettings(source="emoji"),
    tokens=TokenSettings(kind="subwords", size=1000, least=1, lowercase=False),
    writing=WritingSettings(longest=40),
    image=ImageSettings(size=32, channels=3, patch=4, shift=2),
    core=CoreSettings(kind="transformer", dim=128, hidden=256, layers=2, dropout=0.2, block_dropout=0.1),
    train=TrainSettings(epochs=80, batch=64, rate=2e-3, weight_decay=0.05, label_smoothing=0.1, warmup=0.1),
)

CAPTION = Task(
    name="caption",
    about="what a picture shows, or is called, word by word",
    example="regard train caption --data examples/captions.csv --epochs 60",
    beside="always the most frequent text; the text of the nearest picture, pixel by pixel",
    takes="about 6 minutes on two cores (estimated from processor time)",
    files="parquet, csv, tsv or jsonl with a picture and a text a row",
    presets={"transformer": _EMOJI},
    digest=digest_captions,
    prepare=prepare_captions,
    build=_build,
    judge=judge_written,
    answer=answer_written,
    measures=_measures,
    baselines=_baselines,
    unused=(
        "core.budget",
        "core.token_dropout",
        "train.focus",
        "tokens.longest",
        "tokens.keep",
        "tokens.lowercase",
        "writing.vocabulary",
    ),
    roles=("image", "text", "group"),
    read=read_more_captions,
    tell=tell_written,
    explain=explain_caption,
)
