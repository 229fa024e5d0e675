"""Scores of the next token: a matrix of its own, or the embedding's table read backwards."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sequence, check_sizes
from regard.nn.embedding import TokenEmbedding
from regard.spec.errors import ShapeError


class NextToken(nn.Module):
    """logits = x W + b over a vocabulary.

    `tied`: the embedding whose table serves as W (Press and Wolf 2017, arXiv 1608.05859). It stays the embedding's: it
    is saved, moved and counted there, once, and the head alone holds b; the embedding must be part of the same model.
    """

    def __init__(self, dim: int, vocab: int, *, tied: TokenEmbedding | None = None) -> None:
        super().__init__()
        check_sizes("NextToken", dim=dim, vocab=vocab)
        if tied is not None and tuple(tied.table.shape) != (vocab, dim):
            raise ShapeError(
                f"NextToken(dim={dim}, vocab={vocab}, tied=...): the embedding's table is {tuple(tied.table.shape)}, "
                f"expected {(vocab, dim)}"
            )
        self.dim, self.vocab = dim, vocab
        self._tied = None if tied is None else (tied,)  # in a tuple, so that torch does not list the table twice
        self.offset = nn.Parameter(torch.zeros(vocab))
        if tied is None:
            self.table = nn.Parameter(torch.empty(vocab, dim))
            nn.init.normal_(self.table, std=dim**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, len, dim) -> logits (batch, len, vocab). Raises `ShapeError` for another size."""
        check_sequence("NextToken", x, self.dim)
        table = self.table if self._tied is None else self._tied[0].table
        return nn.functional.linear(x, table, self.offset)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, vocab={self.vocab}, tied={self._tied is not None}"
