"""Functions of one score, applied to every entry of a tile: identity, softcap, and activations.

`slope` is the derivative written in terms of the function's own value, so that a kernel that keeps only the final
scores can still differentiate.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import SpecError
from regard.spec.value import Value, described, is_number

ACTIVATIONS = ("identity", "sigmoid", "tanh", "relu")


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Value):
    """y = f(x): an activation by name, or `cap * tanh(x / cap)` where `cap` is given (Gemma 2's softcap)."""

    activation: str = "identity"
    cap: float | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise SpecError(f"activation={described(self.activation)}: expected one of {', '.join(ACTIVATIONS)}")
        if self.cap is not None and not (is_number(self.cap) and self.cap > 0):
            raise SpecError(f"softcap={described(self.cap)}: expected a finite number above 0, or None for no cap")
        if self.cap is not None and self.activation != "identity":
            raise SpecError(f"softcap={self.cap} and activation={self.activation!r}: a curve has one or the other")

    @property
    def straight(self) -> bool:
        """True when y = x, so that a kernel may leave the curve out."""
        return self.activation == "identity" and self.cap is None

    def apply(self, x: Tensor) -> Tensor:
        """f of every entry, as a new tensor (autograd can follow it)."""
        if self.cap is not None:
            return torch.tanh(x / self.cap) * self.cap
        if self.activation == "identity":
            return x
        return torch.sigmoid(x) if self.activation == "sigmoid" else getattr(torch, self.activation)(x)

    def apply_(self, x: Tensor) -> Tensor:
        """f of every entry, written over `x`."""
        if self.cap is not None:
            return x.div_(self.cap).tanh_().mul_(self.cap)
        return x if self.activation == "identity" else getattr(torch, f"{self.activation}_")(x)

    def slope(self, y: Tensor) -> Tensor:
        """f'(x) at every entry, from y = f(x)."""
        if self.cap is not None:
            return 1 - (y / self.cap) ** 2
        if self.activation == "sigmoid":
            return y * (1 - y)
        if self.activation == "tanh":
            return 1 - y * y
        return (y > 0).to(y.dtype) if self.activation == "relu" else torch.ones_like(y)
