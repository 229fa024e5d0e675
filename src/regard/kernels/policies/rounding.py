"""Rounding to a few levels between the smallest and the largest number of a group."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from regard.kernels.policies.blocks import split
from regard.kernels.policies.call import Call
from regard.spec.budget import BITS

KEPT = 4  # numbers of bits at which rounded keys and values are held; neighbouring queries need two


@dataclass(frozen=True, eq=False)
class Store:
    """A call's keys and values at any number of bits, as they come out of the cache.

    size: numbers in a group. member: (batch or 1, kv_heads or 1, keys) where only some keys make a block's levels.
    """

    call: Call
    size: int
    member: Tensor | None = None
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def of_some(self, member: Tensor) -> Store:
        """The store of a query that may see only these keys, of which none but they make a block's levels."""
        return replace(self, member=member, keys={}, values=self.values)

    def key(self, bits: int) -> Tensor:
        """(batch, kv_heads, key_len or as many as `member` has, d), in the form of the score."""
        if bits == BITS:
            return self.call.key
        if bits not in self.keys:
            _make_room(self.keys)
            request, working = self.call.request, self.call.key.dtype
            length = request.key.shape[2] if self.member is None else self.member.shape[-1]
            everything = torch.ones(length, dtype=torch.bool, device=self.call.key.device)
            member = everything if self.member is None else self.member
            made = rounded_keys(request.key[:, :, :length].detach().to(working), bits, self.size, member)
            self.keys[bits] = request.score.prepare(request.query[:, :, :1].detach().to(working), made).key
        return self.keys[bits]

    def value(self, bits: int) -> Tensor:
        """(batch, kv_heads, key_len, value_dim)"""
        if bits == BITS:
            return self.call.value
        if bits not in self.values:
            _make_room(self.values)
            self.values[bits] = rounded_values(self.call.value, bits, self.size)
        return self.values[bits]


def rounded_keys(key: Tensor, bits: int, size: int, member: Tensor) -> Tensor:
    """key (..., keys, d) with every channel rounded in blocks of `size` neighbouring keys. member: bool, broadcasts to
    (..., keys): keys that count; the others' numbers mean nothing afterwards."""
    groups = split(key.mT, size, 0.0)  # (..., d, blocks, size)
    made = _rounded(groups, split(member, size, False)[..., None, :, :], bits).flatten(-2)
    return made[..., : key.shape[-2]].mT


def rounded_values(value: Tensor, bits: int, size: int) -> Tensor:
    """value (..., keys, e) with every token rounded in groups of `size` neighbouring channels."""
    there = torch.ones(value.shape[-1], dtype=torch.bool, device=value.device)
    made = _rounded(split(value, size, 0.0), split(there, size, False), bits).flatten(-2)
    return made[..., : value.shape[-1]]


def _rounded(groups: Tensor, member: Tensor, bits: int) -> Tensor:
    """groups (..., size): each number at the nearest of 2^bits levels from its group's smallest to its largest."""
    low = torch.where(member, groups, torch.inf).amin(-1, keepdim=True)
    high = torch.where(member, groups, -torch.inf).amax(-1, keepdim=True)
    step = (high - low) / ((1 << bits) - 1)
    level = torch.where(step > 0, (groups - low) / step, 0.0).round()
    return low + level * step


def _make_room(held: dict[int, Tensor]) -> None:
    if len(held) >= KEPT:
        held.pop(next(iter(held)))
