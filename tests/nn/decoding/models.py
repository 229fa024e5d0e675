"""Small encoder-decoders of both kinds, and the same without a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regard.nn import BiLSTMEncoder, Decoder, Encoder, TokenEmbedding
from regard.nn.front_ends.text import TextFrontEnd
from regard.nn.heads import NextToken
from regard.nn.recurrent_decoder import RecurrentDecoder
from regard.nn.sequence_to_sequence import SequenceToSequence, TransformerDecoder
from regard.spec import Learned

SOURCES, TARGETS, DIM, HEADS, HIDDEN, BEGIN, END = 13, 11, 12, 3, 7, 1, 2
LENGTHS = torch.tensor([5, 1, 3])
SOURCE_LEN, OUT_LEN = 5, 6


def transformer(dropout: float = 0.0, layers: int = 2) -> SequenceToSequence:
    front = TextFrontEnd(TokenEmbedding(SOURCES, DIM, positions=Learned(SOURCE_LEN)))
    encoder = Encoder(DIM, HEADS, layers=1, hidden=17)
    target = TokenEmbedding(TARGETS, DIM, positions=Learned(40))
    decoder = Decoder(DIM, HEADS, layers=layers, hidden=17, context_dim=DIM, dropout=dropout)
    head = NextToken(DIM, TARGETS, tied=target)
    return SequenceToSequence(front, encoder, TransformerDecoder(target, decoder, head, begin=BEGIN)).eval()


def recurrent(dropout: float = 0.0) -> SequenceToSequence:
    target = TokenEmbedding(TARGETS, DIM)
    decoder = RecurrentDecoder(
        target,
        NextToken(DIM, TARGETS, tied=target),
        context_dim=2 * HIDDEN,
        hidden=19,
        attention=5,
        begin=BEGIN,
        dropout=dropout,
    )
    front = TextFrontEnd(TokenEmbedding(SOURCES, DIM))
    return SequenceToSequence(front, BiLSTMEncoder(DIM, HIDDEN), decoder).eval()


BOTH = {"transformer": transformer, "recurrent": recurrent}


def source(lengths: Tensor = LENGTHS) -> tuple[Tensor, Tensor]:
    return torch.randint(SOURCES, (len(lengths), SOURCE_LEN)), lengths


def inputs(batch: int = 3, length: int = OUT_LEN) -> Tensor:
    """Begin, then any ids."""
    return torch.cat((torch.full((batch, 1), BEGIN), torch.randint(3, TARGETS, (batch, length - 1))), 1)


@dataclass
class Whole:
    """The rows so far, and the source that each reads."""

    first: Tensor
    ids: Tensor
    rows: Tensor

    def select(self, items: Tensor) -> None:
        self.ids, self.rows = self.ids[items], self.rows[items]


class Uncached:
    """The slow truth: every step is a teacher-forced pass over all that was written."""

    def __init__(self, model: SequenceToSequence) -> None:
        self.model = model

    def start(self, context: Sequence[Any]) -> Whole:
        self.read = self.model.read(context)
        batch = len(self.read.tokens)
        first = torch.full((batch,), BEGIN)
        return Whole(first, torch.zeros(batch, 0, dtype=torch.int64), torch.arange(batch))

    def step(self, state: Whole, ids: Tensor) -> Tensor:
        state.ids = torch.cat((state.ids, ids[:, None]), 1)
        return self.model.decoder(self.read.select(state.rows), state.ids)[:, -1]
