"""Sequences of symbols (bases, notes) to tokens: one each, or one for every few with what stands around them."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad

from regard.nn.checks import check_dropout, check_sizes, known, real_tokens
from regard.nn.embedding import TokenEmbedding
from regard.nn.front_ends.placing import Placing
from regard.nn.front_ends.tokens import Tokens
from regard.nn.front_ends.units import Spans
from regard.spec.errors import SpecError
from regard.spec.position import Learned, Sinusoidal


class SymbolFrontEnd(nn.Module):
    """A vector for each of `symbols` ids; with `kmer` above 1, a convolution over so many neighbours and GELU.

    Token i stands for the `stride` symbols from i * stride on, and sees the `kmer` symbols around them; n symbols are
    n / stride tokens, rounded up. With `kmer == stride`, the words of k letters lie side by side. What is beyond either
    end of a sequence counts as 0, so that its tokens do not depend on what it is padded to.

    Raises `SpecError` for sizes below 1 or a stride beyond the k-mer.
    """

    def __init__(
        self,
        symbols: int,
        dim: int,
        *,
        kmer: int = 1,
        stride: int = 1,
        positions: Sinusoidal | Learned | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes("SymbolFrontEnd", symbols=symbols, dim=dim, kmer=kmer, stride=stride)
        check_dropout("SymbolFrontEnd", dropout)
        if stride > kmer:
            raise SpecError(f"SymbolFrontEnd(kmer={kmer}, stride={stride}): symbols between k-mers would be lost")
        self.dim, self.kmer, self.stride = dim, kmer, stride
        self.embedding = TokenEmbedding(symbols, dim)
        self.convolution = nn.Conv1d(dim, dim, kmer, stride=stride) if kmer > 1 else None
        self.placing = Placing(positions, dim)
        self.dropout = nn.Dropout(dropout)

    @property
    def longest(self) -> int | None:
        return self.placing.longest

    def units(self, *lengths: int) -> Spans:
        """Symbols, of sequences of so many each; neighbours' k-mers overlap where `kmer` is above `stride`."""
        return Spans("symbol", "symbols", self.stride, self.kmer, start=-self._before, ends=lengths)

    def forward(self, ids: Tensor, lengths: Tensor | None = None) -> Tokens:
        """ids (batch, len) int64, lengths (batch,) symbols or None -> tokens (batch, len / stride, dim), rounded up.

        Padding may hold any id of the vocabulary. Raises what `TokenEmbedding` does, and `ShapeError` for lengths that
        do not fit.
        """
        x = self.embedding(ids) * self.placing.content
        counts = lengths
        if lengths is not None:
            x = x.masked_fill(~real_tokens("SymbolFrontEnd", lengths, x)[..., None], 0.0)
            counts = (lengths + self.stride - 1) // self.stride
        if self.convolution is not None:
            x = self._convolved(x)
        x, added = self.placing(x)
        ends = [ids.shape[1]] if lengths is None else known(lengths)
        return Tokens.padded("SymbolFrontEnd", self.dropout(x), counts, self.units(*ends), positions=added)

    @property
    def _before(self) -> int:
        """Symbols that a token sees in front of those it stands for."""
        return (self.kmer - self.stride) // 2

    def _convolved(self, x: Tensor) -> Tensor:
        assert self.convolution is not None
        length = x.shape[1]
        many = -(-length // self.stride)
        if not many:
            return x
        behind = (many - 1) * self.stride + self.kmer - self._before - length
        made: Tensor = self.convolution(pad(x.transpose(1, 2), (self._before, behind)))
        return nn.functional.gelu(made.transpose(1, 2))
