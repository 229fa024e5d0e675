"""One answer for a whole sequence: pool its tokens, then score the classes."""

from __future__ import annotations

from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.heads.present import from_front, real, to_front
from regard.nn.pooling import AdditivePooling
from regard.spec.errors import SpecError
from regard.spec.value import described


class PooledClasses(nn.Module):
    """Tokens -> one vector -> `classes` logits (for numbers rather than classes, `classes` is how many).

    `pooling` is a module that takes (x, lengths) and gives (pooled, weights): `AdditivePooling(dim)` by default,
    `MeanPooling()`, `FirstToken()`, `LastToken()`. Dropout lies between pooling and classes.
    """

    def __init__(self, dim: int, classes: int, *, pooling: nn.Module | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("PooledClasses", dim=dim, classes=classes)
        check_dropout("PooledClasses", dropout)
        self.dim = dim
        self.pooling = AdditivePooling(dim) if pooling is None else checked_pooling("PooledClasses", pooling)
        self.dropout = nn.Dropout(dropout)
        self.classes = nn.Linear(dim, classes)

    def forward(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (batch, len, dim) -> logits (batch, classes), weights (batch, len).

        `present`: which tokens are real: None for all, (batch,) int64 lengths, or (batch, len) bool. Weights are the
        share of the pooled vector that each token has, exactly 0 on padding; a sequence of no real token has weights 0
        and the logits of the vector 0. Raises `ShapeError` for sizes that do not fit.
        """
        check_sequence("PooledClasses", x, self.dim)
        pooled, weights = pool(self.pooling, x, present)
        logits: Tensor = self.classes(self.dropout(pooled))
        return logits, weights


def pool(pooling: nn.Module, x: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """(pooled, weights) of the real tokens, wherever in the sequence they stand."""
    there = real(type(pooling).__name__, x, present)
    if present is None or present.dim() == 1:
        pooled, weights = pooling(x, there.sum(-1))
        return pooled, weights
    front, lengths, places = to_front(x, there)
    pooled, weights = pooling(front, lengths)
    return pooled, from_front(weights, places)


def checked_pooling(head: str, pooling: nn.Module) -> nn.Module:
    """`pooling`, if it is a module. Raises `SpecError` for a class or a name."""
    if not isinstance(pooling, nn.Module):
        raise SpecError(f"{head}(pooling={described(pooling)}): expected a module such as MeanPooling(), not its name")
    return pooling
