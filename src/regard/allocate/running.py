"""Means over samples that are seen one after another and not kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from regard.allocate.stored import exactly
from regard.spec.errors import DataError


@dataclass(frozen=True, eq=False)
class Running:
    """Of `count` observations, each of one shape, float64: their mean, and the sum of squared distances from it."""

    count: int
    mean: Tensor
    spread: Tensor

    @classmethod
    def of(cls, observation: Tensor) -> Running:
        """One observation."""
        mean = observation.detach().to("cpu", torch.float64)
        return cls(1, mean, torch.zeros_like(mean))

    def merged(self, other: Running) -> Running:
        """All observations of both (Chan, Golub, LeVeque 1979, eq. 2.1)."""
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        spread = self.spread + other.spread + apart**2 * (self.count * other.count / count)
        return Running(count, mean, spread)

    @property
    def error(self) -> Tensor:
        """The standard error of the mean; NaN for a single observation."""
        if self.count < 2:
            return torch.full_like(self.mean, torch.nan)
        return (self.spread / (self.count - 1) / self.count).sqrt()

    def plain(self) -> dict[str, Any]:
        """As plain values, to the last bit."""
        return {"count": self.count, "mean": self.mean.tolist(), "spread": self.spread.tolist()}

    @classmethod
    def from_plain(cls, given: Any, shape: tuple[int, ...], where: str) -> Running:
        """What `plain` gave. Raises `DataError` for anything else, and for another shape."""
        found = exactly(given, ("count", "mean", "spread"), where)
        try:
            mean, spread = (torch.tensor(found[name], dtype=torch.float64) for name in ("mean", "spread"))
        except (TypeError, ValueError) as error:
            raise DataError(f"{where}: {error}; expected lists of numbers") from None
        count = found["count"]
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise DataError(f"{where}: the count is {count!r}, expected a whole number, at least 1")
        if tuple(mean.shape) != shape or spread.shape != mean.shape:
            raise DataError(f"{where}: found numbers of shape {tuple(mean.shape)}, expected {shape}")
        if not bool(torch.isfinite(mean).all() and torch.isfinite(spread).all()):
            raise DataError(f"{where}: not all numbers are finite; make the profile again")
        return cls(count, mean, spread)
