"""One vector out of a sequence, by attention."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.engine.attend import WATCHER
from regard.nn.checks import check_sequence, check_sizes, real_tokens
from regard.spec.padding import Padding
from regard.spec.request import Request, request
from regard.spec.score import Additive


class AdditivePooling(nn.Module):
    """Attention of one learned query over a sequence, with Bahdanau's score (2014, arXiv 1409.0473, appendix A.1.2).

    Token j scores v · tanh(W x_j + b). The query's own part W_q q of Bahdanau's formula is a learned constant here, so
    it and b are one vector (Yang et al. 2016, eq. 5-7, write it so). `hidden` is the size of v; by default `dim`.
    """

    def __init__(self, dim: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = dim if hidden is None else hidden
        check_sizes("AdditivePooling", dim=dim, hidden=hidden)
        self.key = nn.Linear(dim, hidden)
        self.vector = nn.Parameter(torch.empty(hidden))
        nn.init.uniform_(self.vector, -(hidden**-0.5), hidden**-0.5)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, len, dim), lengths (batch,) -> pooled (batch, dim), weights (batch, len).

        Weights are exactly 0 on padding and sum to 1; a sequence of length 0 has weights 0 and is pooled to 0. Weights
        are float32 at least. Raises `ShapeError` if the sizes do not fit.
        """
        check_sequence("AdditivePooling", x, self.key.in_features)
        padding = ~real_tokens("AdditivePooling", lengths, x)
        x = x.masked_fill(padding[..., None], 0.0)  # 0 times NaN is NaN
        keys = self.key(x)
        scores = torch.tanh(keys) @ self.vector
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
        # the lowest finite number, not -inf: an empty row then has no NaN to spread in the backward pass
        scores = scores.masked_fill(padding, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1).masked_fill(padding, 0.0)
        pooled = torch.bmm(weights.to(x.dtype)[:, None], x)[:, 0]
        watcher = WATCHER.get()
        if watcher is not None:  # told of this as of a call of `attend`, and given what that would give
            pooled = watcher(self._asked(keys, x, lengths), lambda: pooled[:, None, None])[:, 0, 0]
        return pooled, weights

    def _asked(self, keys: Tensor, x: Tensor, lengths: Tensor) -> Request:
        """The same as attention of one query of zeros, at place 0: what is added to the keys is in `keys` already."""
        query = keys.new_zeros(keys.shape[0], 1, 1, keys.shape[-1])
        return request(
            *(query, keys[:, None], x[:, None]), score=Additive(self.vector), mask=Padding(lengths), query_start=0
        )
