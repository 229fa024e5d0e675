"""Position encodings as values: what each adds to, or does to, a vector at an absolute position."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import Value


@dataclass(frozen=True, eq=False, repr=False)
class Sinusoidal(Value):
    """PE(p, 2i) = sin(p / base^(2i/dim)), PE(p, 2i+1) = cos(...) (Vaswani et al. 2017, §3.5); added to embeddings."""

    base: float = 10_000.0

    def table(self, positions: Tensor, dim: int) -> Tensor:
        """(len, dim) float32 encodings of (len,) positions. Raises `ShapeError` if `dim` is odd."""
        angles = _angles(positions, dim, self.base)
        return torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)


@dataclass(frozen=True, eq=False, repr=False)
class Learned(Value):
    """A trained vector for each of `max_len` positions (Gehring et al. 2017); added to embeddings."""

    max_len: int

    def __post_init__(self) -> None:
        if self.max_len < 1:
            raise SpecError(f"Learned(max_len={self.max_len}): expected at least 1")


@dataclass(frozen=True, eq=False, repr=False)
class Rotary(Value):
    """Turn each pair (x[i], x[i + dim/2]) by position / base^(2i/dim), so that q · k depends on the distance alone
    (Su et al. 2021, arXiv 2104.09864). Pairs lie half the size apart, as in GPT-NeoX and Llama, not side by side as in
    the paper: the two differ by a fixed order of the coordinates."""

    base: float = 10_000.0

    def turn(self, x: Tensor, positions: Tensor) -> Tensor:
        """`x` (..., len, dim) with each vector turned for its position; `positions` is (len,). Angles in float32."""
        angles = _angles(positions, x.shape[-1], self.base)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = x.chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def _angles(positions: Tensor, dim: int, base: float) -> Tensor:
    """(len, dim/2) float32: position / base^(2i/dim)."""
    if dim % 2:
        raise ShapeError(f"dim={dim}: sinusoidal and rotary positions turn pairs of coordinates, so dim must be even")
    exponents = torch.arange(0, dim, 2, device=positions.device, dtype=torch.float32) / dim
    return positions.to(torch.float32)[:, None] / base**exponents
