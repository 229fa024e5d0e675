"""The encoder of a transformer: one block, and a stack of them."""

from __future__ import annotations

from torch import Tensor, nn

from regard.nn.attention import MultiHeadAttention
from regard.nn.checks import check_sizes
from regard.nn.feed_forward import FeedForward
from regard.spec.bias import Bias
from regard.spec.mask import Mask
from regard.spec.position import Rotary
from regard.spec.score import ScaledDot, Score

_SCALED_DOT = ScaledDot()


class EncoderBlock(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x)): pre-norm (Xiong et al. 2020, arXiv 2002.04745).

    `hidden` is the feed-forward's inner size, by default 4 * dim; the other arguments are `MultiHeadAttention`'s.
    Dropout acts, in training, on the weights, inside the feed-forward, and on what each of the two adds.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        kv_heads: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        score: Score = _SCALED_DOT,
        bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = MultiHeadAttention(
            dim, heads, kv_heads=kv_heads, dropout=dropout, score=score, bias=bias, rotary=rotary
        )
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *, mask: Mask | Tensor | None = None) -> Tensor:
        """x (batch, len, dim) -> (batch, len, dim); `mask` as in `attend`, such as `Padding(lengths)`."""
        x = x + self.dropout(self.attention(self.attention_norm(x), mask=mask))
        out: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out


class Encoder(nn.Module):
    """`layers` encoder blocks and a last normalisation, which pre-norm blocks need. Arguments as `EncoderBlock`'s."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        layers: int,
        kv_heads: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        score: Score = _SCALED_DOT,
        bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        check_sizes("Encoder", layers=layers)
        self.blocks = nn.ModuleList(
            EncoderBlock(
                dim, heads, kv_heads=kv_heads, hidden=hidden, dropout=dropout, score=score, bias=bias, rotary=rotary
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, *, mask: Mask | Tensor | None = None) -> Tensor:
        """x (batch, len, dim) -> (batch, len, dim)."""
        for block in self.blocks:
            x = block(x, mask=mask)
        out: Tensor = self.norm(x)
        return out
