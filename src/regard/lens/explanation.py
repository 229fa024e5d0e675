"""What an explanation says: a weight for each unit of an input, by which method, of which answer, how faithful."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from regard.lens.units import Units
from regard.spec.errors import ShapeError
from regard.spec.value import described

if TYPE_CHECKING:
    from regard.lens.evidence import Evidence

__all__ = ["Explanation"]


@dataclass(frozen=True, eq=False)
class Explanation:
    """A weight for each unit: the heavier, the more the answer is said to rest on it.

    weights: (units,) float64. Of gradient methods and occlusion they have a sign, less than 0 for what speaks against
    the target; of attention methods they are shares of 1, less what special tokens received. method: its name.
    target, probability: the answer that is explained, and its probability on the whole input. how: in words how the
    weights came about, and, where the method was chosen, why this one. evidence: how faithful the weights are, where it
    was measured.

    Raises:
        ShapeError: there is not one finite weight a unit.
    """

    units: Units
    weights: Tensor
    method: str
    target: str
    probability: float
    how: str
    evidence: Evidence | None = None

    def __post_init__(self) -> None:
        if tuple(self.weights.shape) != (len(self.units),) or self.weights.dtype != torch.float64:
            raise ShapeError(
                f"Explanation(weights={described(self.weights)}): expected float64 ({len(self.units)},), one a unit"
            )
        if not bool(torch.isfinite(self.weights).all()):
            raise ShapeError(f"Explanation by {self.method}: some weights are not finite; does the model overflow?")

    def heaviest(self, count: int) -> tuple[tuple[int, float], ...]:
        """The places and weights of the `count` heaviest units, heaviest first; of equal ones the earlier first."""
        order = torch.sort(self.weights, descending=True, stable=True).indices[:count].tolist()
        return tuple((place, float(self.weights[place])) for place in order)

    def __repr__(self) -> str:
        top = ", ".join(f"{self.units.placed[place]!r} {weight:.3g}" for place, weight in self.heaviest(3))
        return (
            f"<{self.target} ({self.probability:.3f}) by {self.method}: {top} of {len(self.units)} ({self.units.kind})>"
        )
