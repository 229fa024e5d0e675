"""From one sequence to another: a front end, an encoder, and a decoder that reads what was encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regard.engine.observe import flow
from regard.engine.seams import Reached, reach
from regard.nn.cache import BlockCache
from regard.nn.decoder import Decoder, DecoderBlock
from regard.nn.decoding.context import Context
from regard.nn.embedding import TokenEmbedding
from regard.nn.encoder import Encoder
from regard.nn.heads.next_token import NextToken
from regard.nn.recurrent_decoder import RecurrentDecoder, RecurrentState
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.request import Request


@dataclass(eq=False)
class TransformerState:
    """What the blocks keep of every row, and what it reads."""

    first: Tensor  # (batch,) int64: the begin symbol
    context: Context
    mask: Mask | None
    caches: list[BlockCache]
    source: Tensor  # (rows,) int64: which of the batch's sources each row reads
    seen: int = 0  # tokens written so far

    def select(self, items: Tensor) -> None:
        """Keep the rows `items` (new_rows,) int64. Sources are copied only where rows change theirs."""
        source = self.source[items]
        moved = not torch.equal(source, self.source)
        for cache in self.caches:
            cache.own.select(items)
            if moved:
                cache.context.select(items)
        if moved:
            self.context = self.context.select(items)
            self.mask = self.context.mask()
        self.source = source


class TransformerDecoder(nn.Module):
    """Target embedding, decoder blocks that read a context, and a head over the next token (Vaswani et al. 2017, §3).

    begin: the id that every output begins with. `decoder` must be built with `context_dim`, `embedding` and `head` with
    the decoder's size. Raises `SpecError` for a decoder without a context, `ShapeError` for sizes that differ.
    """

    def __init__(self, embedding: TokenEmbedding, decoder: Decoder, head: NextToken, *, begin: int) -> None:
        super().__init__()
        sizes = (embedding.table.shape[1], decoder.norm.normalized_shape[0], head.dim)
        if len(set(sizes)) > 1:
            raise ShapeError(f"TransformerDecoder: embedding, decoder and head are of sizes {sizes}: expected one size")
        readers = [block.context_attention for block in decoder.blocks if isinstance(block, DecoderBlock)]
        if any(reader is None for reader in readers):
            raise SpecError("TransformerDecoder: this decoder reads no context; build it with context_dim=")
        self._context_heads = [reader.heads for reader in readers if reader is not None]
        self.embedding, self.decoder, self.head, self.begin = embedding, decoder, head, begin

    def forward(self, context: Context, inputs: Tensor) -> Tensor:
        """inputs (batch, out_len) int64, begin symbol first -> logits (batch, out_len, vocab): teacher forcing.

        Row i scores the token that follows inputs[:, :i + 1]. Raises `ShapeError` for sizes that do not fit.
        """
        logits: Tensor = self.head(self._run(context, inputs))
        return logits

    def start(self, context: Context) -> TransformerState:
        """The state before the first step. Raises `SpecError` for an empty source, and in training mode."""
        if self.training:
            raise SpecError("decoding in training mode would draw dropout: call model.eval() first")
        context.refuse_empty()
        rows = torch.arange(len(context.tokens), device=context.tokens.device)
        first = torch.full_like(rows, self.begin)
        return TransformerState(first, context, context.mask(), self.decoder.new_cache(), rows)

    @torch.no_grad()
    def step(self, state: TransformerState, ids: Tensor) -> Tensor:
        """ids (rows,) int64 -> logits (rows, vocab) of the token after them; no gradient, for a cache keeps none."""
        x = self.embedding(ids[:, None], state.seen)
        x = self.decoder(x, context=state.context.tokens, context_mask=state.mask, cache=state.caches)
        state.seen += 1
        logits: Tensor = self.head(x)
        return logits[:, 0]

    def alignment(self, context: Context, inputs: Tensor, *, layer: int = -1, head: int | None = None) -> Tensor:
        """weights (batch, out_len, source_len): where each step of `forward` looks, in decoder block `layer`.

        Of one `head`, or the mean over heads. Runs `forward`'s blocks once, and one pass over the scores of that block;
        float32 at least, without a gradient. Raises `SpecError` for a layer or head that is not there, in training
        mode, and while the model is being watched.
        """
        blocks, heads = len(self._context_heads), self._context_heads[0]
        if not -blocks <= layer < blocks or (head is not None and not 0 <= head < heads):
            raise SpecError(
                f"alignment(layer={layer}, head={head}): expected a layer of {blocks} (-1 is the last) and a head of "
                f"{heads}, or head=None for their mean"
            )
        if self.training:
            raise SpecError("alignment in training mode would draw dropout: call model.eval() first")
        if 0 in (len(inputs), inputs.shape[1], context.tokens.shape[1]):
            return context.tokens.new_zeros(len(inputs), inputs.shape[1], context.tokens.shape[1])
        asked = self._asked(context, inputs, f"blocks.{layer % blocks}.context_attention")
        bins = (asked.place.query_len, asked.place.key_len)  # one for each query and each key: the weights themselves
        weights, _, _ = flow(asked, bins=bins, heads=None if head is None else (head,))
        return weights.mean(1)

    @torch.no_grad()
    def _asked(self, context: Context, inputs: Tensor, path: str) -> Request:
        """What the attention at `path` asks in a teacher-forced pass."""
        caught: list[Request] = []

        def look(reached: Reached) -> Any:
            if reached.name == path:
                caught.append(reached.request)
            return reached.compute()

        with reach(self.decoder, look):
            self._run(context, inputs)
        return caught[0]

    def _run(self, context: Context, inputs: Tensor) -> Tensor:
        """(batch, out_len, dim) what the blocks make of the inputs."""
        if len(inputs) != len(context.tokens):
            raise ShapeError(f"inputs of {len(inputs)} items for {len(context.tokens)} sources: expected one for each")
        x = self.embedding(inputs.to(context.tokens.device))
        ran: Tensor = self.decoder(x, context=context.tokens, context_mask=context.mask())
        return ran


class SequenceToSequence(nn.Module):
    """A front end, an encoder and a decoder as one model, which decodes step by step too (`regard.nn.decoding.Steps`).

    front: called with a source's parts, gives `tokens` (batch, source_len, dim) and `lengths` (batch,) or None, as
    every front end of regard. encoder: an `Encoder`, or what takes (x, lengths), as `BiLSTMEncoder`. decoder: a
    `TransformerDecoder` or a `RecurrentDecoder`. A source is the tuple of what the front end is called with.
    """

    def __init__(self, front: nn.Module, encoder: nn.Module, decoder: TransformerDecoder | RecurrentDecoder) -> None:
        super().__init__()
        self.front, self.encoder, self.decoder = front, encoder, decoder

    @property
    def begin(self) -> int:
        """The id that every output begins with."""
        return self.decoder.begin

    def forward(self, source: Sequence[Any], inputs: Tensor) -> Tensor:
        """inputs (batch, out_len) int64, begin symbol first -> logits (batch, out_len, vocab): teacher forcing."""
        logits: Tensor = self.decoder(self.read(source), inputs)
        return logits

    def inputs(self, targets: Tensor) -> Tensor:
        """What teacher forcing feeds for targets (batch, out_len) int64: the begin symbol, and all but their last."""
        return torch.cat((torch.full_like(targets[:, :1], self.begin), targets[:, :-1]), 1)

    def read(self, source: Sequence[Any]) -> Context:
        """The encoded source. Raises `SpecError` for a source that is no tuple of the front end's arguments."""
        if not isinstance(source, (tuple, list)):
            raise SpecError(
                "SequenceToSequence: a source is a tuple, what the front end is called with: (ids, lengths)"
            )
        made = self.front(*source)
        x, lengths = made.tokens, made.lengths
        given = Context.of(x, lengths)
        if isinstance(self.encoder, Encoder):
            encoded = self.encoder(x, mask=given.mask())
        else:
            encoded = self.encoder(x, given.present.sum(-1))
        return Context.of(encoded, given.present)

    def start(self, context: Sequence[Any]) -> TransformerState | RecurrentState:
        """Encode the source, once. Raises as the decoder's `start`."""
        return self.decoder.start(self.read(context))

    def step(self, state: Any, ids: Tensor) -> Tensor:
        """ids (rows,) int64 -> logits (rows, vocab) of the token after them."""
        return self.decoder.step(state, ids)

    def alignment(self, context: Sequence[Any], inputs: Tensor, *, layer: int = -1, head: int | None = None) -> Tensor:
        """weights (batch, out_len, source_len), as the decoder's `alignment`."""
        return self.decoder.alignment(self.read(context), inputs, layer=layer, head=head)
