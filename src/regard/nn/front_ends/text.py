"""Text: token ids to tokens."""

from __future__ import annotations

from torch import Tensor, nn

from regard.nn.embedding import TokenEmbedding
from regard.nn.front_ends.placing import positions_of
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Spans
from regard.nn.positions import LearnedPositions
from regard.spec.errors import SpecError
from regard.spec.value import described


class TextFrontEnd(nn.Module):
    """Ids of any tokenizer through a `TokenEmbedding`, which adds the positions it was built with.

    The embedding may be shared, with a decoder say. Raises `SpecError` for anything else than a `TokenEmbedding`.
    """

    def __init__(self, embedding: TokenEmbedding) -> None:
        super().__init__()
        if not isinstance(embedding, TokenEmbedding):
            raise SpecError(f"TextFrontEnd({described(embedding)}): expected a TokenEmbedding(vocab, dim)")
        self.embedding = embedding

    @property
    def dim(self) -> int:
        return self.embedding.table.shape[1]

    @property
    def longest(self) -> int | None:
        placed = self.embedding.positions
        return placed.table.shape[0] if isinstance(placed, LearnedPositions) else None

    def units(self) -> Spans:
        """Token i covers place i of the ids; what it says, the tokenizer knows."""
        return Spans("token", "tokens")

    def forward(self, ids: Tensor, lengths: Tensor | None = None, *, start: int = 0) -> Tokens:
        """ids (batch, len) int64, lengths (batch,) or None -> tokens (batch, len, dim).

        Padding may hold any id of the vocabulary. `start` is the position of the first token (when decoding).
        Raises what `TokenEmbedding` does, and `ShapeError` for lengths that do not fit.
        """
        x = self.embedding(ids, start)
        added = positions_of(self.embedding.positions, x.shape[1], x, start)
        return Tokens.padded("TextFrontEnd", x, lengths, self.units(), positions=added)
