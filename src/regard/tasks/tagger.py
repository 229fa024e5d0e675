"""The model that tags words, and what it says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.lens import watch
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.heads import TokenClasses
from regard.spec import Padding, Rotary
from regard.tasks.explained import Alignment, Explained, Weighed
from regard.tasks.sections import CoreSettings
from regard.tasks.tag_data import NO_TAG, TaggedBatch
from regard.tasks.task import Outcome, Setup
from regard.tasks.vocabulary import PADDING_ID, UNKNOWN_ID


class Tagger(nn.Module):
    """features (batch, len, 3), lengths (batch,) -> logits (batch, len, tags).

    A word's vector is the sum of three: of the word, its ending and its shape. In training a share of the words is
    hidden, so that endings and shapes are learned from.
    """

    def __init__(self, core: CoreSettings, sizes: Sequence[int], *, tags: int) -> None:
        super().__init__()
        self.hidden = core.token_dropout
        self.words, self.endings, self.shapes = (TokenEmbedding(size, core.dim) for size in sizes)
        self.dropout = nn.Dropout(core.dropout)
        self.encoder = Encoder(
            core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout, rotary=Rotary()
        )
        self.head = TokenClasses(core.dim, tags, dropout=core.dropout)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        words, endings, shapes = features.unbind(-1)
        if self.training and self.hidden:
            chosen = torch.rand(words.shape).to(words.device) < self.hidden
            words = words.masked_fill(chosen & (words != PADDING_ID), UNKNOWN_ID)
        x = self.dropout(self.words(words) + self.endings(endings) + self.shapes(shapes))
        logits: Tensor = self.head(self.encoder(x, mask=Padding(lengths)))
        return logits


def judge_tags(model: nn.Module, batch: TaggedBatch, setup: Setup) -> Outcome:
    known = batch.targets != NO_TAG
    logits, truths = model(batch.features, batch.lengths)[known].float(), batch.targets[known]
    smoothing = setup.settings.train.label_smoothing if model.training else 0.0
    losses = F.cross_entropy(logits, truths, reduction="none", label_smoothing=smoothing)
    return Outcome(losses, losses.numel(), (logits.argmax(-1) == truths).sum())


def tags_of(model: nn.Module, batch: TaggedBatch, setup: Setup) -> Sequence[Any]:
    """The tags of each sentence by their places."""
    best = model(batch.features, batch.lengths).argmax(-1).cpu().numpy()
    return [row[:length] for row, length in zip(best, batch.lengths.tolist(), strict=True)]


def tell_tags(model: nn.Module, batch: TaggedBatch, setup: Setup) -> Sequence[Mapping[str, Any]]:
    tags = setup.facts["tags"]
    return [{"tags": [tags[one] for one in row]} for row in tags_of(model, batch, setup)]


def explain_tags(model: nn.Module, batch: TaggedBatch, setup: Setup) -> Explained:
    """Which words each word attended to for its tag."""
    words, tags = batch.words[0], setup.facts["tags"]
    with watch(model, bins=(len(words), len(words))) as seen:
        (found,) = tags_of(model, batch, setup)
    maps = [layer.map[0].mean(0) for layer in seen.trace().layers if layer.map is not None]
    weights = torch.stack(maps).mean(0)
    weights = weights / weights.sum(-1, keepdim=True)
    told = tuple(f"{word}/{tags[one]}" for word, one in zip(words, found, strict=True))
    units = zip(words, weights.mean(0).tolist(), strict=True)
    return Explained(
        " ".join(told),
        tuple(Weighed(word, share) for word, share in units),
        "word",
        "mean over layers and heads",
        Alignment(told, tuple(map(tuple, weights.tolist())), "tag"),
    )
