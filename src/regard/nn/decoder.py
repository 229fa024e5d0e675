"""The decoder of a transformer: one block, and a stack of them."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from regard.nn.attention import MultiHeadAttention
from regard.nn.cache import BlockCache
from regard.nn.checks import check_sizes
from regard.nn.feed_forward import FeedForward
from regard.spec.bias import Bias
from regard.spec.errors import SpecError
from regard.spec.mask import Mask
from regard.spec.membership import as_mask
from regard.spec.position import Rotary
from regard.spec.positional import Causal
from regard.spec.score import ScaledDot, Score

_SCALED_DOT = ScaledDot()


class DecoderBlock(nn.Module):
    """Causal self-attention, attention to a context if `context_dim` is given, feed-forward; each pre-norm and added.

    `score`, `bias`, `rotary` and `kv_heads` are the self-attention's; the attention to the context is scaled dot with
    `kv_heads` too. Other arguments as in `EncoderBlock` (Vaswani et al. 2017, §3.1; pre-norm: Xiong et al. 2020).
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        context_dim: int | None = None,
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
        self.context_norm = nn.LayerNorm(dim) if context_dim is not None else None
        self.context_attention = (
            MultiHeadAttention(dim, heads, kv_heads=kv_heads, context_dim=context_dim, dropout=dropout)
            if context_dim is not None
            else None
        )
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, hidden, dropout=dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        *,
        context: Tensor | None = None,
        mask: Mask | Tensor | None = None,
        context_mask: Mask | Tensor | None = None,
        cache: BlockCache | None = None,
    ) -> Tensor:
        """x (batch, len, dim), context (batch, key_len, context_dim) -> (batch, len, dim).

        `mask` narrows the self-attention further; it is causal in any case. With a `cache`, x are the next tokens after
        those seen already, and the mask is over all of them. Raises `SpecError` when a context is given and the block
        was built without `context_dim`, or the other way round.
        """
        narrowed = as_mask(mask)
        causal = Causal() if narrowed is None else Causal() & narrowed
        own = None if cache is None else cache.own
        x = x + self.dropout(self.attention(self.attention_norm(x), mask=causal, cache=own))
        x = self._read(x, context, context_mask, cache)
        out: Tensor = x + self.dropout(self.feed_forward(self.feed_forward_norm(x)))
        return out

    def _read(
        self, x: Tensor, context: Tensor | None, context_mask: Mask | Tensor | None, cache: BlockCache | None
    ) -> Tensor:
        """x plus what it reads from the context."""
        if self.context_attention is None or self.context_norm is None:
            if context is not None or context_mask is not None:
                raise SpecError("this decoder block was built without context_dim=, so that it takes no context")
            return x
        if context is None:
            raise SpecError(
                f"this decoder block was built with context_dim={self.context_attention.key.in_features}: pass context="
            )
        held = None if cache is None else cache.context
        read = self.context_attention(self.context_norm(x), context=context, mask=context_mask, cache=held)
        out: Tensor = x + self.dropout(read)
        return out


class Decoder(nn.Module):
    """`layers` decoder blocks and a last normalisation. Arguments as `DecoderBlock`'s."""

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        layers: int,
        context_dim: int | None = None,
        kv_heads: int | None = None,
        hidden: int | None = None,
        dropout: float = 0.0,
        score: Score = _SCALED_DOT,
        bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
        rotary: Rotary | None = None,
    ) -> None:
        super().__init__()
        check_sizes("Decoder", layers=layers)
        self.blocks = nn.ModuleList(
            DecoderBlock(
                dim,
                heads,
                context_dim=context_dim,
                kv_heads=kv_heads,
                hidden=hidden,
                dropout=dropout,
                score=score,
                bias=bias,
                rotary=rotary,
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def new_cache(self) -> list[BlockCache]:
        """An empty cache for one batch of sequences: one `BlockCache` a block."""
        return [BlockCache() for _ in self.blocks]

    def forward(
        self,
        x: Tensor,
        *,
        context: Tensor | None = None,
        mask: Mask | Tensor | None = None,
        context_mask: Mask | Tensor | None = None,
        cache: Sequence[BlockCache] | None = None,
    ) -> Tensor:
        """x (batch, len, dim) -> (batch, len, dim). Token by token with `cache` gives what one full pass gives."""
        caches = [None] * len(self.blocks) if cache is None else list(cache)
        if len(caches) != len(self.blocks):
            raise SpecError(f"{len(caches)} caches for {len(self.blocks)} blocks: make them with new_cache()")
        for block, kept in zip(self.blocks, caches, strict=True):
            x = block(x, context=context, mask=mask, context_mask=context_mask, cache=kept)
        out: Tensor = self.norm(x)
        return out
