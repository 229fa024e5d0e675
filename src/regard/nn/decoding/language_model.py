"""A language model: an embedding, a decoder that reads nothing else, and a head over the next token."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.nn.cache import BlockCache
from regard.nn.decoder import Decoder, DecoderBlock
from regard.nn.decoding.window_cache import WindowCache
from regard.nn.embedding import TokenEmbedding
from regard.nn.heads.next_token import NextToken
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.membership import as_mask
from regard.spec.positional import Sinks, Window
from regard.spec.value import described


@dataclass(eq=False)
class LanguageState:
    """The keys and values so far, and how many tokens were read."""

    first: Tensor  # (batch,) int64: the last token of each prompt
    caches: list[BlockCache]
    seen: int = 0

    def select(self, items: Tensor) -> None:
        """Keep the rows `items` (new_rows,) int64."""
        for cache in self.caches:
            cache.select(items)


class LanguageModel(nn.Module):
    """Logits of every next token at once, or step by step (`Steps`), where the context is a batch of prompts.

    window: `Window(before, 0)`, what every layer may look back on, and sinks: the first tokens that are seen beyond it.
    The same mask holds in training and in decoding, where memory is then bounded: of the past, the latest before + 1
    tokens and the sinks are kept. With a window there is no bias, which would be of distances in what is kept; text
    without an end takes positions without one: rotary, sinusoids, or none.

    Raises `SpecError` for a decoder that reads a context, or that has a bias and a window; `ShapeError` for parts of
    different sizes.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        decoder: Decoder,
        head: NextToken,
        *,
        window: Window | None = None,
        sinks: int = 0,
    ) -> None:
        super().__init__()
        sizes = (embedding.table.shape[1], decoder.norm.normalized_shape[0], head.dim)
        if len(set(sizes)) > 1:
            raise ShapeError(f"LanguageModel: embedding, decoder and head are of sizes {sizes}: expected one size")
        blocks = [block for block in decoder.blocks if isinstance(block, DecoderBlock)]
        if any(block.context_attention is not None for block in blocks):
            raise SpecError("LanguageModel: this decoder reads a context; SequenceToSequence is made for it")
        if window is None and sinks:
            raise SpecError(f"LanguageModel(sinks={sinks}): sinks go with a window=")
        if window is not None:
            WindowCache(window, sinks)  # refuses a window that looks ahead
            if any(len(block.attention.biases) for block in blocks):
                raise SpecError(
                    "LanguageModel: a bias is of distances that a bounded cache does not keep: leave window="
                )
        self.embedding, self.decoder, self.head = embedding, decoder, head
        self.window, self.sinks = window, sinks

    def forward(self, ids: Tensor, *, mask: Mask | Tensor | None = None) -> Tensor:
        """ids (batch, len) int64 -> logits (batch, len, vocab): row i scores the token that follows ids[:, :i + 1].

        `mask` narrows further what may be seen (`Documents` of a packed batch). Padding at the end needs none: no token
        looks ahead. Raises what the embedding and `attend` raise.
        """
        logits: Tensor = self.head(self.decoder(self.embedding(ids), mask=self._narrowed(as_mask(mask))))
        return logits

    @torch.no_grad()
    def start(self, context: Tensor) -> LanguageState:
        """Read prompts of one length, ids (batch, len >= 1), but for their last token, which the first step is fed.

        Raises `ShapeError` for anything else, `SpecError` in training mode.
        """
        if not isinstance(context, Tensor) or context.dim() != 2 or context.shape[1] == 0:
            raise ShapeError(
                f"LanguageModel: prompts {described(context)}: expected (batch, len) int64 ids with at least one token "
                "each, the begin symbol if nothing else"
            )
        if self.training:
            raise SpecError("decoding in training mode would draw dropout: call model.eval() first")
        state = LanguageState(context[:, -1], [self._new_cache() for _ in self.decoder.blocks])
        if context.shape[1] > 1:
            self._read(state, context[:, :-1])
        return state

    @torch.no_grad()
    def step(self, state: LanguageState, ids: Tensor) -> Tensor:
        """ids (rows,) int64 -> logits (rows, vocab) of the token after them; no gradient, for a cache keeps none."""
        logits: Tensor = self.head(self._read(state, ids[:, None]))
        return logits[:, 0]

    def _narrowed(self, mask: Mask | None) -> Mask | None:
        if self.window is None:
            return mask
        own = self.window | Sinks(self.sinks) if self.sinks else self.window
        return own if mask is None else own & mask

    def _read(self, state: LanguageState, ids: Tensor) -> Tensor:
        """ids (rows, new) -> what the decoder makes of them, (rows, new, dim). To one token the cache is the window."""
        mask = None if ids.shape[1] == 1 else self._narrowed(None)
        read: Tensor = self.decoder(self.embedding(ids, state.seen), mask=mask, cache=state.caches)
        state.seen += ids.shape[1]
        return read

    def _new_cache(self) -> BlockCache:
        if self.window is None:
            return BlockCache()
        return BlockCache(own=WindowCache(self.window, self.sinks))
