"""One vector out of a sequence without anything learned: the mean, the first token, the last.

Each is called as `AdditivePooling` is, x (batch, len, dim) and lengths (batch,), and gives the vector and the weight
that each token has in it: they are interchangeable in the heads that pool.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.nn.checks import real_tokens


class MeanPooling(nn.Module):
    """The mean of the real tokens."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """x (batch, len, dim), lengths (batch,) -> pooled (batch, dim), weights (batch, len), 1/length each.

        A sequence of length 0 has weights 0 and is pooled to 0. Summed in float32 at least. Raises `ShapeError` for
        lengths that do not fit.
        """
        present = real_tokens("MeanPooling", lengths, x)
        working = torch.promote_types(x.dtype, torch.float32)
        count = present.sum(-1, keepdim=True).clamp_min(1).to(working)
        total = x.masked_fill(~present[..., None], 0.0).sum(1, dtype=working)  # 0 times NaN is NaN
        return (total / count).to(x.dtype), present / count


class FirstToken(nn.Module):
    """The first token: one put there to gather what the answer needs, such as BERT's (Devlin et al. 2018)."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `MeanPooling`, with weight 1 on the first token."""
        return _one(x, real_tokens("FirstToken", lengths, x), torch.zeros_like(lengths))


class LastToken(nn.Module):
    """The last real token: under a causal mask the one that has seen everything."""

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """As `MeanPooling`, with weight 1 on the last real token."""
        return _one(x, real_tokens("LastToken", lengths, x), lengths - 1)


def _one(x: Tensor, present: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
    """The token at `place` (batch,) of each item, and weight 1 on it; 0 and 0 where it is not real."""
    chosen = torch.arange(x.shape[1], device=x.device) == place.to(x.device)[:, None]
    chosen = chosen & present
    pooled = x.masked_fill(~chosen[..., None], 0.0).sum(1)
    return pooled, chosen.to(torch.promote_types(x.dtype, torch.float32))
