"""The position-wise feed-forward layer of a transformer block."""

from __future__ import annotations

from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sizes


class FeedForward(nn.Module):
    """W_2 GELU(W_1 x + b_1) + b_2, each token by itself (Vaswani et al. 2017, §3.3, with GELU for ReLU)."""

    def __init__(self, dim: int, hidden: int | None = None, *, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = 4 * dim if hidden is None else hidden
        check_sizes("FeedForward", dim=dim, hidden=hidden)
        check_dropout("FeedForward", dropout)
        self.widen = nn.Linear(dim, hidden)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., dim) -> (..., dim)."""
        out: Tensor = self.narrow(self.dropout(self.activation(self.widen(x))))
        return out
