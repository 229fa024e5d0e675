"""Forecasts as quantiles: several steps ahead, in order, never crossing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from regard.nn.checks import check_dropout, check_sequence, check_sizes
from regard.nn.heads.pooled import checked_pooling, pool
from regard.nn.heads.present import real
from regard.nn.pooling import AdditivePooling
from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import described, is_number


class Horizon(nn.Module):
    """Tokens of the past -> `quantiles` of each of the next `horizon` steps.

    Pools the past (`pooling` as in `PooledClasses`; `LastToken()` for a causal core), then one linear layer. The middle
    quantile is free; each further one lies a softplus beyond its neighbour, so that they cannot cross. For steps that
    each look at the past themselves: `LearnedQueries(queries=horizon)`, then `Quantiles`.
    """

    def __init__(
        self,
        dim: int,
        horizon: int,
        quantiles: Sequence[float],
        *,
        pooling: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_sizes("Horizon", dim=dim, horizon=horizon)
        check_dropout("Horizon", dropout)
        self.dim, self.horizon = dim, horizon
        self.pooling = AdditivePooling(dim) if pooling is None else checked_pooling("Horizon", pooling)
        self.quantiles = checked_quantiles(quantiles)
        self.dropout = nn.Dropout(dropout)
        self.steps = nn.Linear(dim, horizon * len(self.quantiles))

    def forward(self, x: Tensor, present: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (batch, len, dim) -> forecast (batch, horizon, quantiles), ascending, and weights (batch, len).

        `present` and weights as in `PooledClasses`. Raises `ShapeError` for sizes that do not fit.
        """
        check_sequence("Horizon", x, self.dim)
        pooled, weights = pool(self.pooling, x, present)
        raw = self.steps(self.dropout(pooled)).unflatten(-1, (self.horizon, len(self.quantiles)))
        return ascending(raw), weights


class Quantiles(nn.Module):
    """`quantiles` of one number for each vector, never crossing."""

    def __init__(self, dim: int, quantiles: Sequence[float]) -> None:
        super().__init__()
        check_sizes("Quantiles", dim=dim)
        self.quantiles = checked_quantiles(quantiles)
        self.numbers = nn.Linear(dim, len(self.quantiles))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., dim) -> (..., quantiles), ascending."""
        return ascending(self.numbers(x))


def ascending(raw: Tensor) -> Tensor:
    """(..., n) free numbers -> (..., n) that ascend: the middle one as it is, the others by softplus steps from it."""
    count = raw.shape[-1]
    middle = count // 2
    gaps = softplus(torch.cat((raw[..., :middle], raw[..., middle + 1 :]), -1))
    climbed = torch.cat((torch.zeros_like(raw[..., :1]), gaps.cumsum(-1)), -1)
    return raw[..., middle : middle + 1] + (climbed - climbed[..., middle : middle + 1])


def pinball(forecast: Tensor, target: Tensor, quantiles: Sequence[float], present: Tensor | None = None) -> Tensor:
    """The mean pinball loss max(q (y - f), (q - 1)(y - f)) over quantiles and steps (Koenker and Bassett 1978).

    forecast (batch, horizon, quantiles), target (batch, horizon); `present` as in the heads: steps whose target counts.
    Twice the mean over evenly spread quantiles is about the CRPS. In units of the target, in float32 at least; 0 where
    no step counts. Raises `ShapeError` for shapes that differ.
    """
    levels = checked_quantiles(quantiles)
    if forecast.dim() != 3 or target.shape != forecast.shape[:2] or forecast.shape[-1] != len(levels):
        raise ShapeError(
            f"pinball: forecast {described(forecast)}, target {described(target)}, {len(levels)} quantiles: expected "
            "(batch, horizon, quantiles) and (batch, horizon)"
        )
    there = real("pinball", forecast, present)
    working = torch.promote_types(forecast.dtype, torch.float32)
    at = torch.tensor(levels, dtype=working, device=forecast.device)
    missed = target.to(working)[there][:, None] - forecast.to(working)[there]
    if not len(missed):
        return forecast.sum() * 0.0
    return torch.maximum(at * missed, (at - 1) * missed).mean()


def checked_quantiles(given: Sequence[float]) -> tuple[float, ...]:
    """`given` as a tuple. Raises `SpecError` unless they ascend within 0 to 1, both ends excluded."""
    levels = tuple(given) if isinstance(given, (tuple, list)) else ()
    inside = all(is_number(level) and 0 < level < 1 for level in levels)
    if not levels or not inside or any(a >= b for a, b in pairwise(levels)):
        raise SpecError(f"quantiles={given!r}: expected ascending numbers between 0 and 1, such as (0.1, 0.5, 0.9)")
    return tuple(float(level) for level in levels)
