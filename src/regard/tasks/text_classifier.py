"""Two models that read a text and answer with one of several classes, and with one weight for every token."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regard.nn import AdditivePooling, BiLSTMEncoder, Encoder, Kept, Pruning, TokenEmbedding, pruned
from regard.spec import Learned
from regard.tasks.sections import CoreSettings
from regard.tasks.task import Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID

_QUERIES = 32  # of a text, by whose weights its tokens are chosen: to ask them all takes longer than a half saves


class PaddedEncoder(nn.Module):
    """A transformer's encoder that is told the lengths. x (batch, len, dim), lengths (batch,) -> the tokens it kept,
    all of them where the budget is 1."""

    def __init__(self, core: CoreSettings) -> None:
        super().__init__()
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.pruning = pruning_of(core)

    def forward(self, x: Tensor, lengths: Tensor) -> Kept:
        return pruned(self.encoder, x, lengths, self.pruning)


def text_body(core: CoreSettings, *, vocabulary: int, longest: int) -> tuple[TokenEmbedding, nn.Module, int]:
    """(embedding, encoder, the width of what the encoder gives): what every model that reads texts begins with."""
    recurrent = core.kind == "bilstm"
    positions = None if recurrent else Learned(longest)
    embedding = TokenEmbedding(vocabulary, core.dim, positions=positions, dropout=core.dropout)
    if not recurrent:
        return embedding, PaddedEncoder(core), core.dim
    between = core.dropout if core.layers > 1 else 0.0
    return embedding, BiLSTMEncoder(core.dim, core.hidden, layers=core.layers, dropout=between), 2 * core.hidden


class TextClassifier(nn.Module):
    """Embedding, encoder, additive attention pooling (Bahdanau et al. 2014, with a learned query), linear classes.

    forward: ids (batch, len), lengths (batch,) -> logits (batch, classes), weights (batch, len): the share of the
    pooled vector that each token has; 0 on padding and on tokens that the encoder dropped, and 1 in all for each text.
    """

    def __init__(self, core: CoreSettings, *, vocabulary: int, classes: int, longest: int) -> None:
        super().__init__()
        self.token_dropout = core.token_dropout
        self.embedding, self.encoder, width = text_body(core, vocabulary=vocabulary, longest=longest)
        self.pooling = AdditivePooling(width)
        self.dropout = nn.Dropout(core.dropout)
        self.classes = nn.Linear(width, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and self.token_dropout > 0:
            hidden = torch.rand(ids.shape, device=ids.device) < self.token_dropout
            ids = ids.masked_fill(hidden & (ids != PADDING_ID), UNKNOWN_ID)
        read = self.encoder(self.embedding(ids), lengths)
        if isinstance(read, Kept):
            pooled, shares = self.pooling(read.tokens, read.lengths)
            weights = read.spread(shares)
        else:
            pooled, weights = self.pooling(read, lengths)
        logits: Tensor = self.classes(self.dropout(pooled))
        return logits, weights


def pruning_of(core: CoreSettings) -> Pruning:
    """How a transformer of these settings keeps to its budget: by the mass that tokens receive from 32 queries spread
    evenly over the text."""
    return Pruning(core.budget, queries=_QUERIES)


def processed_share(core: CoreSettings, lengths: Tensor) -> float:
    """Of the tokens of texts of `lengths` (texts,), the share that a layer processes, the mean over layers and tokens.

    A little over `core.budget`, as an item's share is rounded up to whole tokens; 1 for a model that reads them all.
    """
    if core.kind != "transformer" or core.budget == 1 or not int(lengths.sum()):
        return 1.0
    counts = pruning_of(core).processed(lengths, core.layers)
    return float(counts.sum() / (core.layers * lengths.sum()))


def processed(setup: Setup, lengths: NDArray[np.int64]) -> float:
    """`processed_share` of a run's model, for texts of `lengths` (texts,)."""
    return processed_share(setup.settings.core, torch.from_numpy(lengths))


def budget_words(core: CoreSettings) -> str:
    """What a score's protocol says of the budget; nothing where every token is processed."""
    return "" if core.budget == 1 else f"|budget:{core.budget:g}"
