"""Tokens hidden at random, for training a core to tell what they were."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from regard.nn.checks import check_sizes
from regard.nn.front_ends.draws import uniform
from regard.nn.front_ends.tokens import Tokens
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described, is_number


class Hiding(nn.Module):
    """Puts one trained vector in the place of a random share of the tokens; where they stand remains to be seen.

    As in BERT (Devlin et al. 2019, arXiv 1810.04805, §3.1, share .15, there with some words swapped or left as they
    are, here without) and in masked pictures (He et al. 2022, arXiv 2111.06377, share .75, there the core does not see
    hidden patches, here it sees that something is hidden, as in BEiT, arXiv 2106.08254).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        check_sizes("Hiding", dim=dim)
        self.vector = nn.Parameter(torch.empty(dim))
        nn.init.normal_(self.vector, std=dim**-0.5)

    def forward(self, tokens: Tokens, share: float, generator: torch.Generator | None = None) -> tuple[Tokens, Tensor]:
        """tokens -> the tokens with hidden ones, and which they are, (batch, len) bool.

        Of each item, `share` of its real tokens, rounded to a whole number, and one at least: a fixed number, any set
        of them as likely as another. Random numbers come from `generator`, or from torch's own on the CPU. Raises
        `SpecError` for a share that is not above 0 and at most 1, `ShapeError` for tokens of another dim.
        """
        if not is_number(share) or not 0 < share <= 1:
            raise SpecError(f"Hiding(share={described(share)}): expected a share of the tokens, above 0 and at most 1")
        if tokens.tokens.shape[-1] != self.vector.shape[0]:
            raise ShapeError(f"Hiding: got {described(tokens.tokens)}, but it was built for dim {self.vector.shape[0]}")
        hidden = drawn_places(tokens, share, generator)
        shown = self.vector.to(tokens.tokens.dtype)
        if tokens.positions is not None:
            shown = shown + tokens.positions
        return replace(tokens, tokens=torch.where(hidden[..., None], shown, tokens.tokens)), hidden


def drawn_places(tokens: Tokens, share: float, generator: torch.Generator | None = None) -> Tensor:
    """(batch, len) bool: True on a random `share` of each item's real tokens, as `Hiding` chooses them."""
    device = tokens.tokens.device
    counts = tokens.counts.to(device)
    many = torch.minimum((counts.double() * share + 0.5).floor().long().clamp(min=1), counts)
    noise = uniform(*tokens.tokens.shape[:2], generator=generator).to(device)
    # real places in random order, then padding, whose places are beyond any number of real ones
    order = noise.masked_fill(~tokens.real, 2.0).argsort(dim=1, stable=True)
    return order < many[:, None]
