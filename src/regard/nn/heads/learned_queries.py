"""Learned queries that each look for one thing in the tokens: an object, a span, a step of the future."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.attention import MultiHeadAttention
from regard.nn.checks import check_sequence, check_sizes
from regard.nn.feed_forward import FeedForward
from regard.nn.heads.present import mask_over, real
from regard.spec.bias import Bias
from regard.spec.mask import Mask


class QueryBlock(nn.Module):
    """The queries attend to each other, then to the tokens, then a feed-forward; each pre-norm and added."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        context_dim: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        context_bias: Bias | Tensor | None = None,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(dim, heads, dropout=dropout)
        self.context_norm = nn.LayerNorm(dim)
        self.context_attention = MultiHeadAttention(
            dim, heads, context_dim=context_dim or dim, dropout=dropout, bias=context_bias
        )
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *, context: Tensor, mask: Mask | None = None) -> Tensor:
        """x (batch, queries, dim), context (batch, len, context_dim) -> (batch, queries, dim)."""
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        x = x + self.dropout(self.context_attention(self.context_norm(x), context=context, mask=mask))
        out: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out


class LearnedQueries(nn.Module):
    """`queries` learned vectors, the same for every item, that read the tokens in `layers` blocks.

    The decoder of DETR (Carion et al. 2020, arXiv 2005.12872, §3.2), with two departures: blocks are pre-norm, and the
    learned vectors enter once, as the first block's input, rather than being added to queries and keys in every block.
    Queries know nothing of places in the tokens: those are in the tokens' own vectors, and in `context_bias`, which is
    added to the scores of every block's attention to the tokens, as `MultiHeadAttention`'s.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        queries: int,
        layers: int,
        context_dim: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        context_bias: Bias | Tensor | None = None,
    ) -> None:
        super().__init__()
        context_dim = dim if context_dim is None else context_dim
        check_sizes("LearnedQueries", dim=dim, queries=queries, layers=layers, context_dim=context_dim)
        self.context_dim = context_dim
        self.vectors = nn.Parameter(torch.randn(queries, dim))
        self.blocks = nn.ModuleList(
            QueryBlock(dim, heads, context_dim=context_dim, hidden=hidden, dropout=dropout, context_bias=context_bias)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """Tokens x (batch, len, context_dim) -> (batch, queries, dim). Order of the queries is that of `vectors`.

        `present`: which tokens are real: None for all, (batch,) int64 lengths, or (batch, len) bool. Where none is, the
        queries hear of each other alone. Raises `ShapeError` for sizes that do not fit.
        """
        return self.every_layer(x, present)[-1]

    def every_layer(self, x: Tensor, present: Tensor | None = None) -> list[Tensor]:
        """What `forward` gives, after each block: for a loss on every layer (DETR's auxiliary losses)."""
        check_sequence("LearnedQueries", x, self.context_dim)
        there = real("LearnedQueries", x, present)
        x, mask = x.masked_fill(~there[..., None], 0.0), mask_over(there)
        found = self.vectors.expand(x.shape[0], -1, -1)
        layers: list[Tensor] = []
        for block in self.blocks:
            found = block(found, context=x, mask=mask)
            layers.append(self.norm(found))
        return layers
