"""The model of every task that answers a row of any kind with one class: a front end, the core, pooled classes."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from regard.nn.encoder import Encoder
from regard.nn.heads.pooled import PooledClasses
from regard.tasks.classes import ranked
from regard.tasks.explained import Explained, Weighed
from regard.tasks.sections import CoreSettings
from regard.tasks.task import Setup


class Classifier(nn.Module):
    """forward: the front end's inputs -> logits (batch, classes), weights (batch, tokens): the share of the pooled
    vector that each token has, 0 on padding and 1 in all."""

    def __init__(self, front: nn.Module, core: CoreSettings, *, classes: int) -> None:
        super().__init__()
        self.front = front
        self.encoder = Encoder(core.dim, core.heads, layers=core.layers, hidden=core.hidden, dropout=core.block_dropout)
        self.head = PooledClasses(core.dim, classes, dropout=core.dropout)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        tokens = self.front(*inputs)
        logits, weights = self.head(self.encoder(tokens.tokens, mask=tokens.mask), tokens.lengths)
        return logits, weights


def explain_classes(model: nn.Module, batch: Any, setup: Setup) -> Explained:
    """Which tokens the pooling drew on, of a batch of one row, each named by what it covers of the input."""
    assert isinstance(model, Classifier)
    units = model.front(*batch.inputs).covered(0)
    logits, weights = model(*batch.inputs)
    answer = ranked(setup.facts["labels"], logits[0].float().softmax(-1).tolist())
    weighed = tuple(Weighed(one.words(), share) for one, share in zip(units, weights[0].tolist(), strict=False))
    told = f"{answer['label']} ({answer['probability']:.3f})"
    return Explained(told, weighed, units[0].kind, "the pooling's")
