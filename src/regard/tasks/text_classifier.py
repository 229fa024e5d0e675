"""Two models that read a text and answer with one of several classes, and with one weight for every token."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn import AdditivePooling, BiLSTMEncoder, Encoder, TokenEmbedding
from regard.spec import Learned, Padding
from regard.tasks.settings import CoreSettings
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID


class PaddedEncoder(nn.Module):
    """A transformer's encoder that is told the lengths. x (batch, len, dim), lengths (batch,) -> (batch, len, dim)."""

    def __init__(self, core: CoreSettings) -> None:
        super().__init__()
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        out: Tensor = self.encoder(x, mask=Padding(lengths))
        return out


class TextClassifier(nn.Module):
    """Embedding, encoder, additive attention pooling (Bahdanau et al. 2014, with a learned query), linear classes.

    forward: ids (batch, len), lengths (batch,) -> logits (batch, classes), weights (batch, len): the share of the
    pooled vector that each token has; 0 on padding, and 1 in all for each text.
    """

    def __init__(self, core: CoreSettings, *, vocabulary: int, classes: int, longest: int) -> None:
        super().__init__()
        recurrent = core.kind == "bilstm"
        self.token_dropout = core.token_dropout
        self.embedding = TokenEmbedding(
            vocabulary,
            core.dim,
            positions=None if recurrent else Learned(longest),
            dropout=core.dropout,
        )
        width = 2 * core.hidden if recurrent else core.dim
        self.encoder: nn.Module = (
            BiLSTMEncoder(core.dim, core.hidden, layers=core.layers, dropout=core.dropout if core.layers > 1 else 0.0)
            if recurrent
            else PaddedEncoder(core)
        )
        self.pooling = AdditivePooling(width)
        self.dropout = nn.Dropout(core.dropout)
        self.classes = nn.Linear(width, classes)

    def forward(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.training and self.token_dropout > 0:
            hidden = torch.rand(ids.shape, device=ids.device) < self.token_dropout
            ids = ids.masked_fill(hidden & (ids != PADDING_ID), UNKNOWN_ID)
        pooled, weights = self.pooling(self.encoder(self.embedding(ids), lengths), lengths)
        logits: Tensor = self.classes(self.dropout(pooled))
        return logits, weights
