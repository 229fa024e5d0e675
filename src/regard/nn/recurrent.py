"""A bidirectional LSTM over padded sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.checks import check_dropout, check_sequence, check_sizes, real_tokens
from regard.nn.drawn_lstm import lstm
from regard.spec.drawn import is_drawn


class BiLSTMEncoder(nn.Module):
    """Reads every sequence in both directions (Graves and Schmidhuber 2005); padding has no influence at all.

    The same numbers as `nn.LSTM(bidirectional=True)` on a packed sequence. It is built of one-directional LSTMs, and
    the backward one reads each sequence mirrored within its own length: then no packing is needed, and the fused LSTM
    runs (on a CPU, training is several times as fast as on a packed sequence).
    """

    def __init__(self, input_dim: int, hidden_dim: int, *, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        check_sizes("BiLSTMEncoder", input_dim=input_dim, hidden_dim=hidden_dim, layers=layers)
        check_dropout("BiLSTMEncoder", dropout)
        self.input_dim, self.hidden_dim = input_dim, hidden_dim
        sizes = [input_dim] + [2 * hidden_dim] * (layers - 1)
        self.ahead = nn.ModuleList(nn.LSTM(size, hidden_dim, batch_first=True) for size in sizes)
        self.back = nn.ModuleList(nn.LSTM(size, hidden_dim, batch_first=True) for size in sizes)
        self.dropout = nn.Dropout(dropout)  # between layers, as in nn.LSTM

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (batch, len, input_dim), lengths (batch,) -> (batch, len, 2 * hidden_dim): forward state, backward state.

        0 at padding, and everywhere in a sequence of length 0. Raises `ShapeError` if the sizes do not fit.
        """
        check_sequence("BiLSTMEncoder", x, self.input_dim)
        padding = ~real_tokens("BiLSTMEncoder", lengths, x)[..., None]
        if x.shape[0] == 0 or x.shape[1] == 0:  # nn.LSTM refuses these
            return x.new_zeros(*x.shape[:2], 2 * self.hidden_dim)
        mirror = _mirror(lengths.to(x.device), x.shape[1])
        x = x.masked_fill(padding, 0.0)  # a NaN in the padding must not reach the weights' gradients
        for depth, (ahead, back) in enumerate(zip(self.ahead, self.back, strict=True)):
            if depth:
                x = self.dropout(x)
            backward = _read(back, _take(x, mirror))
            x = torch.cat((_read(ahead, x), _take(backward, mirror)), -1).masked_fill(padding, 0.0)
        return x


def _read(layer: nn.Module, x: Tensor) -> Tensor:
    """The layer's states (batch, len, hidden_dim)."""
    assert isinstance(layer, nn.LSTM)
    states: Tensor = lstm(layer, x) if is_drawn() else layer(x)[0]
    return states


def _mirror(lengths: Tensor, longest: int) -> Tensor:
    """(batch, longest) indices that turn each sequence around within its own length, and leave padding where it is."""
    index = torch.arange(longest, device=lengths.device)[None]
    turned = lengths[:, None] - 1 - index
    return torch.where(turned >= 0, turned, index)


def _take(x: Tensor, index: Tensor) -> Tensor:
    """Tokens of x (batch, len, dim) in the order of index (batch, len)."""
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
