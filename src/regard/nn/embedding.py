"""Token ids to vectors, with positions added."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sizes
from regard.nn.positions import LearnedPositions, SinusoidalPositions, positions_layer
from regard.spec.errors import ShapeError, SpecError
from regard.spec.position import Learned, Sinusoidal
from regard.spec.value import described


class TokenEmbedding(nn.Module):
    """A trained vector for each token, plus one for its position.

    Vectors start normal with standard deviation 1/sqrt(dim). With `Sinusoidal` positions, whose entries are of size 1,
    they are multiplied by sqrt(dim) first (Vaswani et al. 2017, §3.4); `Learned` ones start as small as the tokens.
    Raises `SpecError` for sizes below 1, `ShapeError` for sinusoids of an odd `dim`.
    """

    def __init__(
        self, vocab: int, dim: int, *, positions: Sinusoidal | Learned | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        check_sizes("TokenEmbedding", vocab=vocab, dim=dim)
        check_dropout("TokenEmbedding", dropout)
        self.table = nn.Parameter(torch.empty(vocab, dim))
        nn.init.normal_(self.table, std=dim**-0.5)
        self.positions = positions_layer(positions, dim)
        self.scale = math.sqrt(dim) if isinstance(positions, Sinusoidal) else 1.0
        self.dropout = nn.Dropout(dropout)

    def forward(self, ids: Tensor, start: int = 0) -> Tensor:
        """ids (batch, len) int64 -> (batch, len, dim); `start` is the position of the first token (when decoding).

        Raises `ShapeError` for ids of another kind and for positions beyond `Learned.max_len`, `SpecError` for an id
        outside the vocabulary (found on the CPU; on a GPU such an id stops the device).
        """
        if not isinstance(ids, Tensor) or ids.dim() != 2 or ids.dtype not in (torch.int64, torch.int32):
            raise ShapeError(
                f"TokenEmbedding: ids is {described(ids)}, expected a (batch, len) int64 tensor of token ids"
            )
        x = self._look_up(ids)
        if self.scale != 1.0:
            x = x * self.scale
        if isinstance(self.positions, LearnedPositions):
            x = x + self.positions(ids.shape[1], start)
        elif isinstance(self.positions, SinusoidalPositions):
            x = x + self.positions(ids.shape[1], start, ids.device).to(x.dtype)
        out: Tensor = self.dropout(x)
        return out

    def _look_up(self, ids: Tensor) -> Tensor:
        try:
            return nn.functional.embedding(ids, self.table)
        except IndexError:
            low, high, vocab = int(ids.min()), int(ids.max()), self.table.shape[0]
            raise SpecError(
                f"TokenEmbedding: ids run from {low} to {high}, but the vocabulary has ids 0 to {vocab - 1}: "
                "use the tokenizer the model was built with"
            ) from None

    def extra_repr(self) -> str:
        return f"vocab={self.table.shape[0]}, dim={self.table.shape[1]}"
