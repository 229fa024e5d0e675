"""Which tokens of a padded batch are real, however that is said: by lengths, token by token, or all of them."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.nn.checks import real_tokens
from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.padding import Padding


def real(where: str, x: Tensor, present: Tensor | None) -> Tensor:
    """(batch, len) bool, True where a token of x (batch, len, ...) is real.

    `present` is None where all are, (batch,) int64 lengths where the real ones come first, or the (batch, len) bool
    itself, with holes where there are any. Raises `ShapeError`, naming `where`, for anything else.
    """
    if present is None:
        return torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    if isinstance(present, Tensor) and present.dtype == torch.bool:
        if present.shape != x.shape[:2]:
            raise ShapeError(
                f"{where}: present {tuple(present.shape)} for tokens {tuple(x.shape)}: expected {tuple(x.shape[:2])}, "
                "True where a token is real, or one length an item"
            )
        return present.to(x.device)
    return real_tokens(where, present, x)


def mask_over(present: Tensor) -> Mask | None:
    """The mask that leaves every query the keys that are `present` (batch, key_len) bool; None where all are.

    `Padding` where the real keys come first, which a kernel can skip by, else a bool row for each item.
    """
    if is_drawn():
        return Dense(present[:, None, None])
    if bool(present.all()):
        return None
    if bool((present[:, 1:] & ~present[:, :-1]).any()):
        return Dense(present[:, None, None])
    return Padding(present.sum(-1))


def to_front(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(tokens, lengths, places): the real tokens of x (batch, len, dim) moved to the front of each item, in order.

    lengths (batch,) int64; places (batch, len) int64: where each token stood before. For layers that take lengths.
    """
    places = (~present).to(torch.uint8).argsort(dim=-1, stable=True)
    return x.gather(1, places[..., None].expand_as(x)), present.sum(-1), places


def from_front(weights: Tensor, places: Tensor) -> Tensor:
    """A number for each token, (batch, len), put back to where its token stood before `to_front`."""
    return torch.zeros_like(weights).scatter(1, places, weights)
