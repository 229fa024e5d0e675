"""In which directions keys are judged, and in which steps their numbers are rounded: learnt from a prompt, then kept.

What a key says beyond the mean of its neighbours is described by few numbers. The directions are those in which it
changes scores most: eigenvectors of M^1/2 C M^1/2, with M the second moment of the queries and C the covariance of the
keys about their block's mean. In them a query's numbers have one size, so that a direction's share in the score is its
share of the keys' variance, and the first r directions are the best r.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CODE = 4  # bits of a number in the sketch
WIDEST = 1.25  # times the prompt's largest number: what the 8-bit steps reach
_LOWEST = 1e-3  # of the mean second moment of queries, added in every direction: what was not asked may be asked yet
_CLIPS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0, 10.0)  # standard deviations that the codes may reach
_SHRINKS = {4: (1.0, 0.8, 0.6, 0.5), 8: (WIDEST,)}


@dataclass(frozen=True, eq=False)
class Basis:
    """One for each key head.

    key: (kv_heads, d, r), a key's residual times it is its numbers, in units of their steps. query: (kv_heads, d, r),
    with the steps multiplied in: the product of a query's and a key's numbers is the residual's part of the score.
    key_step, value_step: (kv_heads, 1, d) and (kv_heads, 1, e), of the rounded keys and values.
    """

    key: Tensor
    query: Tensor
    key_step: Tensor
    value_step: Tensor

    @property
    def rank(self) -> int:
        return self.key.shape[2]


def rank_of(bits: float, dim: int) -> int:
    """How many directions so many bits a dimension pay for; two codes share a byte. 0 where a key has no two."""
    return min(max(2, round(bits * dim / CODE / 2) * 2), dim // 2 * 2)


def learnt(keys: Tensor, values: Tensor, query: Tensor | None, rank: int, bits: int) -> Basis:
    """keys (batch, kv_heads, n, d), values (batch, kv_heads, n, e): residuals, float32, n >= 1; query (batch, heads, m,
    d) or None, where nothing is known of what will be asked."""
    kv_heads = keys.shape[1]
    found = keys.transpose(0, 1).flatten(1, 2)  # (kv_heads, batch * n, d)
    asked = None if query is None else _by_head(query.float(), kv_heads)
    maps = [_maps(found[head], None if asked is None else asked[head], rank) for head in range(kv_heads)]
    key, back = torch.stack([each[0] for each in maps]), torch.stack([each[1] for each in maps])
    step = _best_step(found @ key, CODE, tuple(2 * clip / 2**CODE for clip in _CLIPS))
    others = values.transpose(0, 1).flatten(1, 2)
    return Basis(key / step, back * step, _full_step(found, bits), _full_step(others, bits))


def _by_head(query: Tensor, kv_heads: int) -> Tensor:
    """(batch, heads, m, d) as (kv_heads, batch * groups * m, d)."""
    grouped = query.reshape(query.shape[0], kv_heads, -1, query.shape[3])
    return grouped.transpose(0, 1).flatten(1, 2)


def _maps(keys: Tensor, query: Tensor | None, rank: int) -> tuple[Tensor, Tensor]:
    """(d, rank) for keys and for queries."""
    covariance = (keys.double().mT @ keys.double()) / len(keys)
    size = len(covariance)
    if query is None or not len(query):
        half = back = torch.eye(size, dtype=torch.float64, device=keys.device)
    else:
        moment = (query.double().mT @ query.double()) / len(query)
        floor = moment.diagonal().mean() * _LOWEST + torch.finfo(torch.float32).tiny
        moment.diagonal().add_(floor)
        spread, turn = torch.linalg.eigh(moment)
        half, back = (turn * spread.sqrt()) @ turn.mT, (turn * spread.rsqrt()) @ turn.mT
    directions = torch.linalg.eigh(half @ covariance @ half)[1].flip(1)[:, :rank]
    return (half @ directions).float(), (back @ directions).float()


def _best_step(numbers: Tensor, bits: int, widths: tuple[float, ...]) -> Tensor:
    """(kv_heads, 1, r): the step, of these widths in standard deviations, that rounds (kv_heads, n, r) best."""
    spread = numbers.std(1, correction=0, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    steps = torch.stack([spread * width for width in widths])  # (widths, kv_heads, 1, r)
    most = 2 ** (bits - 1)
    off = torch.stack([_off(numbers, step, most) for step in steps])
    return steps.gather(0, off.argmin(0, keepdim=True))[0]


def _off(numbers: Tensor, step: Tensor, most: int) -> Tensor:
    """(kv_heads, 1, r): the mean square error of middles of steps."""
    codes = (numbers / step).floor_().clamp_(-most, most - 1)
    return ((codes + 0.5) * step - numbers).square_().mean(1, keepdim=True)


def _full_step(numbers: Tensor, bits: int) -> Tensor:
    """(kv_heads, 1, d): steps in which numbers are rounded one by one, at `bits` bits."""
    most = 2 ** (min(bits, 8) - 1)
    largest = numbers.abs().amax(1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    steps = torch.stack([largest * (shrink / (most - 0.5)) for shrink in _SHRINKS.get(bits, _SHRINKS[8])])
    off = torch.stack([_off(numbers, step, most) for step in steps])
    return steps.gather(0, off.argmin(0, keepdim=True))[0]
