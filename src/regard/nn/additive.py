"""Bahdanau's attention as a layer, with its own projections."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.engine.attend import attend
from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.spec.errors import ShapeError
from regard.spec.mask import Mask
from regard.spec.score import Additive


class AdditiveAttention(nn.Module):
    """score = v · tanh(W_q q + W_k k + b); the output is the mean of the context under its softmax.

    Bahdanau et al. 2014 (arXiv 1409.0473), equations 5, 6 and appendix A.1.2, where W_q, W_k, v are W_a, U_a, v_a. One
    head; values are the context itself, not projected. `hidden` is the size of v. Memory is linear in the lengths.
    """

    def __init__(self, query_dim: int, context_dim: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("AdditiveAttention", query_dim=query_dim, context_dim=context_dim, hidden=hidden)
        check_dropout("AdditiveAttention", dropout)
        self.query = nn.Linear(query_dim, hidden, bias=False)
        self.key = nn.Linear(context_dim, hidden)  # its offset is b
        self.vector = nn.Parameter(torch.empty(hidden))
        nn.init.uniform_(self.vector, -(hidden**-0.5), hidden**-0.5)
        self.dropout = float(dropout)

    def forward(
        self,
        x: Tensor,
        context: Tensor,
        *,
        values: Tensor | None = None,
        mask: Mask | Tensor | None = None,
        query_start: int | None = None,
    ) -> Tensor:
        """x (batch, query_len, query_dim), context (batch, key_len, context_dim) -> (batch, query_len, context_dim).

        `values` (batch, key_len, any size), by default the context, are what is averaged. `mask` and `query_start` as
        in `attend`; a query that may attend to nothing gives 0. Dropout, on the weights, acts in training alone.

        Raises `ShapeError` or `MaskError` for tensors that do not fit each other or the layer.
        """
        check_sequence("AdditiveAttention: x", x, self.query.in_features)
        check_sequence("AdditiveAttention: context", context, self.key.in_features)
        values = context if values is None else values
        if values.dim() != 3 or values.shape[:2] != context.shape[:2]:
            raise ShapeError(
                f"AdditiveAttention: values {tuple(values.shape)} with context {tuple(context.shape)}: "
                "expected a value for each context token, (batch, key_len, any size)"
            )
        keys: Tensor = self.key(context)
        out = attend(
            *(self.query(x)[:, None], keys[:, None], values.to(keys.dtype)[:, None]),
            score=Additive(self.vector),
            mask=mask,
            query_start=query_start,
            dropout=self.dropout if self.training else 0.0,
        )
        return out[:, 0]
