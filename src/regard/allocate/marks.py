"""Whether a cache is the one that was seen before, grown: by a few of its keys."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Marks:
    """Of the first `length` keys the first, the middle and the last: (batch, kv_heads, 3, d)."""

    length: int
    keys: Tensor

    @classmethod
    def of(cls, key: Tensor, length: int) -> Marks:
        """Copies three keys of each head of `key` (batch, kv_heads, at least length, d)."""
        return cls(length, _some(key, length).clone())

    def are_of(self, key: Tensor) -> bool:
        """Whether this cache begins as the one that was marked. One that was reordered, cut or begun anew does not, nor
        does one whose first keys were dropped."""
        if key.shape[2] < self.length or (key.shape[:2], key.dtype) != (self.keys.shape[:2], self.keys.dtype):
            return False
        return torch.equal(_some(key, self.length), self.keys)


def _some(key: Tensor, length: int) -> Tensor:
    return key[:, :, [0, length // 2, max(0, length - 1)]]
