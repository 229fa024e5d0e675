"""The output from a sample of the keys, and how far off it may be.

A key that is read with probability p counts 1 / p times beyond what the sketch says of it (Horvitz and Thompson 1952,
with the sketch as control: a difference estimator). With o the output, Z the sum of weights, and for each key

    d = (w (v - o) - s (m - o)) / Z        w, v: weight and value as read; s, m: sketch weight and mean value

the sketch's error is e = sum of d over what was not read, and x = sum of d (1 / p - 1) over what was read estimates it
with an error of variance V = sum of d d' (1 - p) / p. Two outputs can be had: the sketch corrected by x, whose error
is V's; and corrected by x / 2. Of that one the error is known better: it is |x| / 2 whether x is e or noise,
|x / 2 - e| = |(x - e) - e| / 2, but for the product of the two. The one whose bound is smaller is taken.

Shapes: rows = queries of all lanes, `groups` query heads to a key head, k keys read. All of them float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch import Tensor

# A normal quantile is too small: contributions of keys have heavy tails, and few directions. Chosen on real keys of one
# text (docs/decisions, "tolerance").
HEAVY = 1.5
FEWEST = 200  # keys drawn by chance, below which nothing is said
PROBES = 8  # random directions that the spread of the error over its directions is told from
RATES = (0.1, 10.0)  # what all sketch weights may be multiplied by
ROUNDED = 2.5  # what rounding does at worst, in squares, over what is expected of it
WIDEST = 9.0  # variance of the logarithms of weights over sketch weights that is reckoned with
LOG2 = 0.6931471805599453
_TINY = torch.finfo(torch.float32).tiny


@dataclass(frozen=True, eq=False)
class Evidence:
    """What some rows have read, in weights relative to one shift for each head."""

    weights: Tensor  # (rows, groups, k), 0 where nothing was read
    values: Tensor  # (rows, k, e)
    chance: Tensor  # (rows, k), above 0; 1 where nothing was read
    sketched: Tensor  # (rows, groups, k): sketch weights of the same keys
    means: Tensor  # (rows, k, e): mean values of their blocks
    unread: Tensor  # (rows, groups, blocks): sketch weight of what was not read
    block_means: Tensor  # (rows, blocks, e)
    late: Tensor  # (rows, groups): sum of the weights that are known exactly
    late_sum: Tensor  # (rows, groups, e): of those times their values
    score_noise: Tensor  # (rows, groups): variance of a rounded key's score, of logarithms to base 2
    value_noise: Tensor  # (rows): sum of the variances of a rounded value's numbers
    rounded: Tensor  # (rows, k) 1 where key and value were read rounded, else 0


@dataclass(frozen=True, eq=False)
class Estimate:
    """output (rows, groups, e); total (rows, groups), the sum of weights; error (rows, groups), a bound of |output -
    exact| / |exact|; rounding (rows, groups), the part of it that would be left if all keys were read."""

    output: Tensor
    total: Tensor
    error: Tensor
    rounding: Tensor


def estimate(found: Evidence, confidence: float) -> Estimate:
    beyond = 1 / found.chance - 1  # (rows, k)
    sketched = found.sketched * _rate(found, beyond)[..., None]
    unread = found.unread * _rate(found, beyond)[..., None]
    base = found.weights @ found.values + unread @ found.block_means + found.late_sum
    base_total = found.weights.sum(-1) + unread.sum(-1) + found.late
    more, less = found.weights * beyond[:, None], sketched * beyond[:, None]
    shift, shift_total = more @ found.values - less @ found.means, (more - less).sum(-1)
    # whatever was drawn, all weights are at least those that were read
    least = found.weights.sum(-1) + found.late
    total = torch.maximum(base_total + shift_total, least).clamp_min(_TINY)
    output = (base + shift) / total[..., None]
    half_total = torch.maximum(base_total + shift_total / 2, least).clamp_min(_TINY)
    half = (base + shift / 2) / half_total[..., None]
    of_full, of_half = _squares(found, sketched, beyond, output, total, NormalDist().inv_cdf(confidence) * HEAVY)
    rounding, left = _rounding(found, output, total)
    taken = of_half < of_full
    output, total = torch.where(taken[..., None], half, output), torch.where(taken, half_total, total)
    known = torch.where(taken, of_half, of_full) + rounding * ROUNDED
    few = ((beyond > 0).sum(-1) < FEWEST)[:, None] & (unread.sum(-1) > 0)
    size = output.square().sum(-1)
    error = _relative(known, size).masked_fill(few, torch.inf)
    return Estimate(output, total, error, _relative(left * ROUNDED, size))


def _rate(found: Evidence, beyond: Tensor) -> Tensor:
    """(rows, groups): true weight over sketch weight, of keys that were drawn by chance. Noise in scores makes sketch
    weights too small on average: the mean of exp(noise) is above 1."""
    each = (beyond > 0) / found.chance
    true, told = ((part * each[:, None]).sum(-1) for part in (found.weights, found.sketched))
    return torch.where(told > 0, true / told.clamp_min(_TINY), 1.0).clamp(*RATES)


def _squares(
    found: Evidence, sketched: Tensor, beyond: Tensor, output: Tensor, total: Tensor, quantile: float
) -> tuple[Tensor, Tensor]:
    """(rows, groups) twice: bounds of the squared error of the output that is corrected, and of the half corrected."""
    probes = numbers_of_sign(output.shape[-1], output)
    pairs = [
        _of_head(found, sketched[:, head], beyond, output[:, head], total[:, head], probes, quantile, head)
        for head in range(output.shape[1])
    ]
    full, half = (torch.stack(each, 1) for each in zip(*pairs, strict=True))
    return full, half


def _of_head(
    found: Evidence,
    sketched: Tensor,
    beyond: Tensor,
    output: Tensor,
    total: Tensor,
    probes: Tensor,
    quantile: float,
    head: int,
) -> tuple[Tensor, Tensor]:
    """The same of one head: sketched (rows, k), output (rows, e), total (rows); each result (rows)."""
    each = (found.values - output[:, None]) * found.weights[:, head, :, None]
    each -= (found.means - output[:, None]) * sketched[..., None]
    each /= total[:, None, None]
    squares = each.square().sum(-1)
    x = (beyond[:, None] @ each)[:, 0]
    each *= (beyond / found.chance).sqrt()[..., None]  # the sum of their squares is V
    variance = (squares * beyond / found.chance).sum(-1)
    lift = _unseen(found, sketched, beyond, output, total, head, variance)
    spread = (each.mT @ (each @ probes)).square().sum((1, 2)) / probes.shape[1]  # the trace of V V'
    along = (each @ x[..., None]).square().sum((1, 2))  # x' V x
    full = variance + quantile * (2 * spread).sqrt() + lift
    half = x.square().sum(-1) / 4 + (squares * beyond).sum(-1) + quantile * along.sqrt() + lift
    return full, half


def _unseen(
    found: Evidence, sketched: Tensor, beyond: Tensor, output: Tensor, total: Tensor, head: int, variance: Tensor
) -> Tensor:
    """(rows): what the variance lacks to be that of weights that differ from their sketch by a normal distribution of
    logarithms, as wide as is seen. A few keys far above their sketch hold most of it: a sample seldom has them."""
    each = sketched * (beyond > 0) / found.chance
    each = each / each.sum(-1, keepdim=True).clamp_min(_TINY)
    apart = (found.weights[:, head].clamp_min(_TINY) / sketched.clamp_min(_TINY)).log().clamp(-8, 8)
    mean = (each * apart).sum(-1, keepdim=True)
    wide = (each * (apart - mean).square()).sum(-1).clamp_max(WIDEST)
    size = (found.values - output[:, None]).square().sum(-1) * (sketched / total[:, None]).square()
    model = (size * beyond / found.chance).sum(-1) * wide.expm1()
    return (model - variance).clamp_min(0)


def _rounding(found: Evidence, output: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, groups) twice: the expected square of what rounding does, each number being off by up to half a step,
    evenly; and an estimate of what it would be if all keys were read."""
    shares = (found.weights / total[..., None]).square() * (found.rounded / found.chance)[:, None]
    apart = found.values.square().sum(-1)[:, None] - 2 * output @ found.values.mT + output.square().sum(-1)[..., None]
    noise = found.score_noise[..., None] * LOG2**2 * apart.clamp_min(0) + found.value_noise[:, None, None]
    shares *= noise
    return (shares / found.chance[:, None]).sum(-1), shares.sum(-1)


def _relative(square: Tensor, size: Tensor) -> Tensor:
    """To the exact output, which is the shorter for what the error adds to it; inf where the error is larger."""
    left = size - square
    found = (square / left.clamp_min(_TINY)).sqrt()
    return torch.where(square <= 0, 0.0, torch.where(left > 0, found, torch.inf))


def numbers_of_sign(size: int, like: Tensor) -> Tensor:
    """(size, PROBES) of 1 and -1, always the same."""
    generator = torch.Generator().manual_seed(size)
    return (torch.randint(0, 2, (size, PROBES), generator=generator) * 2 - 1).to(like)
