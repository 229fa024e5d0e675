"""The models that answer questions: read out where the answer stands, or chosen from the answers that are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.lens import watch
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.heads import FoundSpans, PooledClasses, Spans, SpanScores, best_spans
from regard.spec import Padding, Rotary
from regard.tasks.explained import Explained, Weighed
from regard.tasks.question_part import QuestionBatch
from regard.tasks.sections import AnswerSettings, CoreSettings
from regard.tasks.task import Outcome, Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID


class QuestionReader(nn.Module):
    """ids, kinds (batch, len), lengths (batch,) -> tokens (batch, len, dim): the text and the question read together,
    each token with the vector of its kind. In training a share of the tokens is hidden as <unknown>."""

    def __init__(self, core: CoreSettings, *, vocabulary: int) -> None:
        super().__init__()
        self.hidden = core.token_dropout
        self.embedding = TokenEmbedding(vocabulary, core.dim)
        self.kinds = TokenEmbedding(2, core.dim)
        self.dropout = nn.Dropout(core.dropout)
        self.encoder = Encoder(
            core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout, rotary=Rotary()
        )

    def forward(self, ids: Tensor, kinds: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.hidden:
            chosen = torch.rand(ids.shape).to(ids.device) < self.hidden
            ids = ids.masked_fill(chosen & (ids != PADDING_ID), UNKNOWN_ID)
        x = self.dropout(self.embedding(ids) + self.kinds(kinds))
        read: Tensor = self.encoder(x, mask=Padding(lengths))
        return read


class Pointing(nn.Module):
    """ids, kinds (batch, len), lengths (batch,) -> ln p of every token as the answer's first, and as its last, both
    (batch, len)."""

    def __init__(self, reader: QuestionReader, dim: int) -> None:
        super().__init__()
        self.reader, self.head = reader, Spans(dim)

    def forward(self, ids: Tensor, kinds: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.head(self.reader(ids, kinds, lengths), lengths)
        return scores.start, scores.end


class Choosing(nn.Module):
    """ids, kinds (batch, len), lengths (batch,) -> logits (batch, answers), weights (batch, len)."""

    def __init__(self, reader: QuestionReader, dim: int, *, answers: int, dropout: float) -> None:
        super().__init__()
        self.reader, self.head = reader, PooledClasses(dim, answers, dropout=dropout)

    def forward(self, ids: Tensor, kinds: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        logits, weights = self.head(self.reader(ids, kinds, lengths), lengths)
        return logits, weights


def build_answerer(setup: Setup) -> nn.Module:
    core = setup.settings.core
    reader = QuestionReader(core, vocabulary=setup.facts["vocabulary"])
    if _reads_out(setup):
        return Pointing(reader, core.dim)
    return Choosing(reader, core.dim, answers=len(setup.facts["answers"]), dropout=core.dropout)


def judge_answers(model: nn.Module, batch: QuestionBatch, setup: Setup) -> Outcome:
    """-ln p of the right answer, wherever it stands; rows whose answer the model cannot give have no loss."""
    if not _reads_out(setup):
        known = batch.targets >= 0
        logits, truths = model(*batch.inputs)[0][known].float(), batch.targets[known]
        smoothing = setup.settings.train.label_smoothing if model.training else 0.0
        losses = F.cross_entropy(logits, truths, reduction="none", label_smoothing=smoothing)
        return Outcome(losses, losses.numel(), (logits.argmax(-1) == truths).sum())
    start, end = model(*batch.inputs)
    there = batch.starts >= 0
    known = there.any(-1)
    pairs = start.gather(1, batch.starts.clamp(min=0)) + end.gather(1, batch.ends.clamp(min=0))
    low = torch.finfo(pairs.dtype).min  # not -inf: a row without any place would make a NaN in the backward pass
    losses = -pairs.masked_fill(~there, low).logsumexp(-1)[known]
    first = (batch.starts == start.argmax(-1)[:, None]) & (batch.ends == end.argmax(-1)[:, None])
    return Outcome(losses, losses.numel(), (first & there).any(-1).sum())


def answers_of(model: nn.Module, batch: QuestionBatch, setup: Setup) -> Sequence[Any]:
    return [said for said, _ in _said(model, batch, setup)]


def _said(model: nn.Module, batch: QuestionBatch, setup: Setup) -> list[tuple[str, float]]:
    """Each row's answer, and how probable the model thinks it."""
    if _reads_out(setup):
        found = _found(model, batch, setup)
        spans = zip(found.starts[:, 0].tolist(), found.ends[:, 0].tolist(), strict=True)
        said = [row.said(first, last) for row, (first, last) in zip(batch.rows, spans, strict=True)]
        return list(zip(said, found.scores[:, 0].exp().tolist(), strict=True))
    best = model(*batch.inputs)[0].float().softmax(-1).max(-1)
    names = [setup.facts["answers"][place] for place in best.indices.tolist()]
    return list(zip(names, best.values.tolist(), strict=True))


def _found(model: nn.Module, batch: QuestionBatch, setup: Setup) -> FoundSpans:
    return best_spans(SpanScores(*model(*batch.inputs)), longest=setup.facts["longest"])


def tell_answers(model: nn.Module, batch: QuestionBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    return [
        {"question": row.question, "answer": said, "probability": share}
        for row, (said, share) in zip(batch.rows, _said(model, batch, setup), strict=True)
    ]


def explain_answer(model: nn.Module, batch: QuestionBatch, setup: Setup) -> Explained:
    """Which words of text and question the answer came from: those that its place attended to, or that were pooled."""
    ((said, share),) = _said(model, batch, setup)
    if _reads_out(setup):
        place = int(_found(model, batch, setup).starts[0, 0])
        with watch(model, queries=range(place, place + 1)) as seen:
            model(*batch.inputs)
        weights = torch.stack([layer.received[0].mean(0) for layer in seen.trace().layers]).mean(0)
        how = "the answer's first word, mean over layers and heads"
    else:
        weights, how = model(*batch.inputs)[1][0], "the pooling's"
    shares = (weights / weights.sum()).tolist()
    units = tuple(Weighed(word, one) for word, one in zip(batch.rows[0].words, shares, strict=True))
    return Explained(f"{batch.rows[0].question} {said} ({share:.3f})", units, "word", how)


def _reads_out(setup: Setup) -> bool:
    return setup.settings.section(AnswerSettings).by == "place"
