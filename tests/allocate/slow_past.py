"""The slow truth of attention over keys that are held and a sketch of the others: key by key, in float64, from all keys
and values that ever were."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.allocate.past import Past


@dataclass(frozen=True)
class Text:
    """Everything a layer has seen: key (batch, kv_heads, n, dim), value (batch, kv_heads, n, value_dim); real bool
    (batch, n), False for padding; held bool (batch, kv_heads, n), what was not let go."""

    key: Tensor
    value: Tensor
    real: Tensor
    held: Tensor

    def sketched(self, past: Past) -> tuple[Tensor, Tensor]:
        """(keys that the codes stand for less what they add to scores: (the mean keys, the codes' numbers)), each over
        the first `past.length` keys: (batch, kv_heads, length, dim) and (batch, kv_heads, length, rank)."""
        grain, length = past.periphery.grain, past.length
        key, real = self.key[:, :, :length].double(), self.real[:, None, :length, None]
        blocks = torch.where(real, key, 0).unflatten(2, (-1, grain))
        count = real.unflatten(2, (-1, grain)).sum(3, keepdim=True).clamp_min(1)
        mean = (blocks.sum(3, keepdim=True) / count).float().half().double().expand_as(blocks).flatten(2, 3)
        numbers = ((key - mean) @ past.keys.double()).floor().clamp(-8, 7) + 0.5
        return mean, numbers

    def stand_ins(self, past: Past) -> Tensor:
        """(batch, kv_heads, n, value_dim): a held key's own value, for any other the mean of the values of the real
        keys of its block that were let go."""
        grain, found = past.periphery.grain, self.value.double().clone()
        for start in range(0, past.length, grain):
            some = slice(start, start + grain)
            gone = (~self.held & self.real[:, None])[:, :, some, None]
            mean = torch.where(gone, found[:, :, some], 0).sum(2, keepdim=True) / gone.sum(2, keepdim=True).clamp_min(1)
            found[:, :, some] = torch.where(self.held[:, :, some, None], found[:, :, some], mean)
        return found


def truth(
    text: Text, past: Past | None, query: Tensor, *, scale: float, cap: float | None = None, sink: Tensor | None = None
) -> Tensor:
    """(batch, heads, m, value_dim) float64: queries (batch, heads, m, dim) on the last m positions."""
    groups, (count, length) = query.shape[1] // text.key.shape[1], (query.shape[2], text.key.shape[2])
    asked = query.double().unflatten(1, (-1, groups))  # (batch, kv_heads, groups, m, dim)
    scores = asked @ text.key.double()[:, :, None].mT
    value = text.value.double()
    if past is not None:
        mean, numbers = text.sketched(past)
        told = asked @ mean[:, :, None].mT + (asked @ past.queries.double()[:, None]) @ numbers[:, :, None].mT
        own = text.held[:, :, None, None, : past.length]
        scores[..., : past.length] = torch.where(own, scores[..., : past.length], told)
        value = text.stand_ins(past)
    scores = scores * scale if cap is None else cap * (scores * scale / cap).tanh()
    allowed = torch.arange(length) <= torch.arange(length - count, length)[:, None]
    allowed = allowed & text.real[:, None, None, None]
    weights = scores.masked_fill(~allowed, -torch.inf).exp()
    total = weights.sum(-1, keepdim=True)
    if sink is not None:
        total = total + sink.double().exp().view(1, -1, groups, 1, 1)
    return (weights / total.clamp_min(1e-300) @ value[:, :, None]).flatten(1, 2)
