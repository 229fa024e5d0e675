"""A mask for each query: which tokens (patches, pixels, steps) belong to what it found."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.nn.checks import check_sequence, check_sizes
from regard.nn.heads.present import real
from regard.spec.errors import ShapeError


class Masks(nn.Module):
    """logit of query i and token j = embed(query i) · project(token j) / sqrt(dim).

    MaskFormer's dot product of mask and pixel embeddings (Cheng et al. 2021, arXiv 2107.06278, §3.2), over the square
    root of their size, which they leave out. `token_dim`: size of the tokens, by default the queries'.
    """

    def __init__(self, dim: int, token_dim: int | None = None) -> None:
        super().__init__()
        token_dim = dim if token_dim is None else token_dim
        check_sizes("Masks", dim=dim, token_dim=token_dim)
        self.dim, self.token_dim = dim, token_dim
        self.embed = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim))
        self.project = nn.Linear(token_dim, dim)

    def forward(self, queries: Tensor, tokens: Tensor) -> Tensor:
        """queries (batch, queries, dim), tokens (batch, len, token_dim) -> logits (batch, queries, len).

        A mask is sigmoid(logit); on a grid of patches, reshape len to (rows, columns). Raises `ShapeError`.
        """
        check_sequence("Masks: queries", queries, self.dim)
        check_sequence("Masks: tokens", tokens, self.token_dim)
        if len(queries) != len(tokens):
            raise ShapeError(
                f"Masks: queries of {len(queries)} items, tokens of {len(tokens)}: expected the same items"
            )
        scale: float = self.dim**-0.5
        return torch.bmm(self.embed(queries) * scale, self.project(tokens).mT)


def mask_loss(logits: Tensor, shares: Tensor, present: Tensor | None = None) -> Tensor:
    """Binary cross-entropy + dice of the masks that queries were matched to, each the mean over objects.

    logits (objects, len), shares (objects, len): how much of each token the object covers, 0 to 1; `present` as in the
    heads, for these rows. Dice is 1 - (2 Σ p s + 1) / (Σ p + Σ s + 1) (Milletari et al. 2016, arXiv 1606.04797, with
    the 1 that keeps empty masks defined). 0 where there is no object. Raises `ShapeError` for shapes that differ.
    """
    if logits.dim() != 2 or logits.shape != shares.shape:
        raise ShapeError(f"mask_loss: logits {tuple(logits.shape)}, shares {tuple(shares.shape)}: expected two alike")
    if not logits.numel():
        return logits.sum() * 0.0
    there = real("mask_loss", logits, present)
    working = torch.promote_types(logits.dtype, torch.float32)
    logits, shares = logits.to(working).masked_fill(~there, 0.0), shares.to(working).masked_fill(~there, 0.0)
    crossed = F.binary_cross_entropy_with_logits(logits, shares, reduction="none").masked_fill(~there, 0.0)
    crossed = crossed.sum(-1) / there.sum(-1).clamp_min(1)
    chances = logits.sigmoid().masked_fill(~there, 0.0)
    dice = 1 - (2 * (chances * shares).sum(-1) + 1) / (chances.sum(-1) + shares.sum(-1) + 1)
    return (crossed + dice).mean()
