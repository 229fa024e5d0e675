"""The recurrent decoder with additive attention: a state that asks, before every word, where in the source to look."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from regard.engine.attend import WATCHER
from regard.nn.additive import AdditiveAttention
from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.decoding.context import Context
from regard.nn.embedding import TokenEmbedding
from regard.nn.heads.next_token import NextToken
from regard.spec.errors import ShapeError, SpecError


@dataclass(eq=False)
class RecurrentState:
    """The hidden state of every row, and what it reads: the source, and the keys made of it once."""

    first: Tensor  # (batch,) int64: the begin symbol
    hidden: Tensor  # (rows, hidden)
    context: Context
    keys: Tensor  # (rows, source_len, attention)
    source: Tensor  # (rows,) int64: which of the batch's sources each row reads

    def select(self, items: Tensor) -> None:
        """Keep the rows `items` (new_rows,) int64. Sources are copied only where rows change theirs."""
        self.hidden = self.hidden[items]
        source = self.source[items]
        if not torch.equal(source, self.source):
            self.context, self.keys = self.context.select(items), self.keys[items]
        self.source = source


class RecurrentDecoder(nn.Module):
    """Bahdanau et al. 2014 (arXiv 1409.0473), §3.1 and appendix A.2.2: the state of a GRU asks, by additive attention.

    With s the state, e(y) the embedding of a token, h the source's tokens, at step i:

        c_i = Σ_j a_ij h_j,  a_i = softmax over j of v · tanh(W s_(i-1) + U h_j + b)
        s_i = GRU([e(y_(i-1)); c_i], s_(i-1))
        logits = head(maxout(R [s_i; e(y_(i-1)); c_i]))

    and s_0 = tanh(V h_1). We depart in two things: the readout takes s_i, as the paper's eq. 4, not s_(i-1), as its
    appendix; and s_0 comes from all of the first token, of which the paper takes the backward half.

    embedding: of the target's tokens, without positions. head: over the next token, of the embedding's size, so that
    its table may be tied. context_dim: size of the source's tokens. begin: the id that every output begins with.
    attention: size of v, by default `hidden`. Dropout lies on the readout.

    Coverage (every source token read as much as any other): `attention_loss(model, Coverage())` around the
    teacher-forced pass sees all of an output's steps as one call of attention, named by `attention`.

    Raises `SpecError` for sizes below 1 and an embedding with positions, `ShapeError` for a head of another size.
    """

    def __init__(
        self,
        embedding: TokenEmbedding,
        head: NextToken,
        *,
        context_dim: int,
        hidden: int,
        begin: int,
        attention: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        attention = hidden if attention is None else attention
        check_sizes("RecurrentDecoder", context_dim=context_dim, hidden=hidden, attention=attention)
        check_dropout("RecurrentDecoder", dropout)
        dim = embedding.table.shape[1]
        if embedding.positions is not None:
            raise SpecError("RecurrentDecoder: it reads in order and needs no positions; build the embedding without")
        if head.dim != dim:
            raise ShapeError(f"RecurrentDecoder: the head takes vectors of {head.dim}, the embedding gives {dim}")
        self.embedding, self.head, self.begin, self.hidden = embedding, head, begin, hidden
        self.attention = AdditiveAttention(hidden, context_dim, attention)
        self.begun = nn.Linear(context_dim, hidden)
        self.cell = nn.GRUCell(dim + context_dim, hidden)
        self.readout = nn.Linear(hidden + dim + context_dim, 2 * dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, context: Context, inputs: Tensor) -> Tensor:
        """inputs (batch, out_len) int64, begin symbol first -> logits (batch, out_len, vocab): teacher forcing.

        Row i scores the token that follows inputs[:, :i + 1]. A source without a token reads as 0. Raises `ShapeError`
        for sizes that do not fit.
        """
        _, states, embedded, read = self._run(context, inputs)
        return self._scores(states, embedded, read)

    def start(self, context: Context) -> RecurrentState:
        """The state before the first step. Raises `SpecError` for an empty source, and in training mode."""
        if self.training:
            raise SpecError("decoding in training mode would draw dropout: call model.eval() first")
        self._check(context)
        context.refuse_empty()
        batch, device = len(context.tokens), context.tokens.device
        first = torch.full((batch,), self.begin, device=device)
        return RecurrentState(
            first,
            self.begun_from(context),
            context,
            self.attention.key(context.tokens),
            torch.arange(batch, device=device),
        )

    def step(self, state: RecurrentState, ids: Tensor) -> Tensor:
        """ids (rows,) int64 -> logits (rows, vocab) of the token after them."""
        embedded = self.embedding(ids[:, None])
        if WATCHER.get() is not None:  # who watches is told of this step's attention
            self.attention(state.hidden[:, None], context=state.context.tokens, mask=state.context.mask())
        read, _ = self._read(state.hidden, state.keys, state.context)
        state.hidden = self.cell(torch.cat((embedded[:, 0], read), -1), state.hidden)
        return self._scores(state.hidden[:, None], embedded, read[:, None])[:, 0]

    def alignment(self, context: Context, inputs: Tensor, *, layer: int = -1, head: int | None = None) -> Tensor:
        """weights (batch, out_len, source_len): where each step of `forward` looks; float32 at least.

        There is one layer, of one head. Raises `SpecError` for others.
        """
        if layer not in (-1, 0) or head not in (None, 0):
            raise SpecError(f"alignment(layer={layer}, head={head}): additive attention has one layer of one head, 0")
        weights, *_ = self._run(context, inputs)
        return weights

    def _run(self, context: Context, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights, states, embedded inputs and what was read, (batch, out_len, ...) each, one step after another."""
        self._check(context)
        embedded = self.embedding(inputs.to(context.tokens.device))
        if len(embedded) != len(context.tokens):
            raise ShapeError(
                f"inputs of {len(embedded)} items for {len(context.tokens)} sources: expected one for each"
            )
        tokens, state = context.tokens, self.begun_from(context)
        keys = self.attention.key(tokens)
        asked, states, reads, weighed = (list[Tensor]() for _ in range(4))
        for place in range(inputs.shape[1]):
            asked.append(state)
            read, weights = self._read(state, keys, context)
            state = self.cell(torch.cat((embedded[:, place], read), -1), state)
            for kept, part in ((states, state), (reads, read), (weighed, weights)):
                kept.append(part)
        if WATCHER.get() is not None and asked:  # who watches is told of all steps as of one call
            self.attention(torch.stack(asked, 1), context=tokens, mask=context.mask())
        weights = _stacked(weighed, tokens, tokens.shape[1])
        return weights, _stacked(states, tokens, self.hidden), embedded, _stacked(reads, tokens, tokens.shape[2])

    def begun_from(self, context: Context) -> Tensor:
        """(batch, hidden): s_0, from the first token that is there."""
        if not context.tokens.shape[1]:
            first = context.tokens.new_zeros(len(context.tokens), context.tokens.shape[2])
        else:
            place = context.present.to(torch.uint8).argmax(-1)
            first = context.tokens[torch.arange(place.shape[0], device=place.device), place]
        begun: Tensor = self.begun(first).tanh()
        return begun

    def _read(self, state: Tensor, keys: Tensor, context: Context) -> tuple[Tensor, Tensor]:
        """(batch, context_dim) what the state reads, and its weights (batch, source_len), exactly 0 on absent tokens.

        `keys` hold W h + b of every source token, made once for all steps (the paper's appendix A.1.2 says so).
        """
        scores = torch.tanh(self.attention.query(state)[:, None] + keys) @ self.attention.vector
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        # the lowest finite number, not -inf: an empty row then has no NaN to spread in the backward pass
        scores = scores.masked_fill(~context.present, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1).masked_fill(~context.present, 0.0)
        return torch.bmm(weights.to(context.tokens.dtype)[:, None], context.tokens)[:, 0], weights

    def _scores(self, states: Tensor, embedded: Tensor, read: Tensor) -> Tensor:
        """(batch, out_len, vocab): maxout of pairs (Goodfellow et al. 2013), then the head."""
        paired = self.readout(torch.cat((states, embedded, read), -1)).unflatten(-1, (-1, 2))
        logits: Tensor = self.head(self.dropout(paired.amax(-1)))
        return logits

    def _check(self, context: Context) -> None:
        check_sequence("RecurrentDecoder: context", context.tokens, self.attention.key.in_features)


def _stacked(parts: list[Tensor], like: Tensor, size: int) -> Tensor:
    """(batch, out_len, size): one part a step, also where there is no step."""
    return torch.stack(parts, 1) if parts else like.new_zeros(len(like), 0, size)
