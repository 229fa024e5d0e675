"""Masks that are a band: every query attends to the keys from so many before it to so many after it."""

from __future__ import annotations

from dataclasses import dataclass

from regard.spec.mask import Both, Mask
from regard.spec.positional import Causal, Window

FAR = 1 << 30  # in place of "no limit": positions and lengths lie well below


@dataclass(frozen=True, slots=True)
class Band:
    """Keys with -before <= key - position <= after."""

    before: int = FAR
    after: int = FAR


def band(mask: Mask | None) -> Band | None:
    """The band that a mask is: none, Causal, Window, and what `&` makes of these. None for any other mask.

    Two windows that share no key cannot be, since each holds the query's own.
    """
    if mask is None:
        return Band()
    if isinstance(mask, Causal):
        return Band(after=0)
    if isinstance(mask, Window):
        return Band(min(mask.before, FAR), min(mask.after, FAR))
    if isinstance(mask, Both):
        left, right = band(mask.left), band(mask.right)
        if left is not None and right is not None:
            return Band(min(left.before, right.before), min(left.after, right.after))
    return None
