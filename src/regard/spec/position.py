"""Position encodings as values: what each adds to, or does to, a vector at an absolute position."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.value import Value, described, is_number


@dataclass(frozen=True, eq=False, repr=False)
class Sinusoidal(Value):
    """PE(p, 2i) = sin(p / base^(2i/dim)), PE(p, 2i+1) = cos(...) (Vaswani et al. 2017, §3.5); added to embeddings."""

    base: float = 10_000.0

    def __post_init__(self) -> None:
        _check_base("Sinusoidal", self.base)

    def table(self, positions: Tensor, dim: int) -> Tensor:
        """(len, dim) float32 encodings of (len,) positions. Raises `ShapeError` if `dim` is odd."""
        angles = _angles(positions, dim, self.base)
        return torch.stack((angles.sin(), angles.cos()), -1).flatten(-2)


@dataclass(frozen=True, eq=False, repr=False)
class Learned(Value):
    """A trained vector for each of `max_len` positions (Gehring et al. 2017); added to embeddings."""

    max_len: int

    def __post_init__(self) -> None:
        if isinstance(self.max_len, bool) or not isinstance(self.max_len, int) or self.max_len < 1:
            raise SpecError(f"Learned(max_len={described(self.max_len)}): expected a whole number, at least 1")


@dataclass(frozen=True, eq=False, repr=False)
class Rotary(Value):
    """Turn each pair (x[i], x[i + dim/2]) by position / base^(2i/dim), so that q · k depends on the distance alone
    (Su et al. 2021, arXiv 2104.09864). Pairs lie half the size apart, as in GPT-NeoX and Llama, not side by side as in
    the paper: the two differ by a fixed order of the coordinates."""

    base: float = 10_000.0

    def __post_init__(self) -> None:
        _check_base("Rotary", self.base)

    def turn(self, x: Tensor, positions: Tensor) -> Tensor:
        """`x` (..., len, dim) with each vector turned for its position; `positions` is (len,). Angles in float32.

        Raises `ShapeError` if `dim` is odd or there is not one position a vector.
        """
        if tuple(positions.shape) != (x.shape[-2],):
            raise ShapeError(
                f"Rotary: positions have shape {tuple(positions.shape)} but x has {x.shape[-2]} vectors; "
                f"expected ({x.shape[-2]},), one position a vector"
            )
        angles = _angles(positions, x.shape[-1], self.base)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = x.chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)


def _check_base(name: str, base: object) -> None:
    if not is_number(base) or base <= 0:
        raise SpecError(f"{name}(base={described(base)}): expected a finite number above 0, such as 10000.0")


def _angles(positions: Tensor, dim: int, base: float) -> Tensor:
    """(len, dim/2) float32: position / base^(2i/dim)."""
    if dim % 2:
        raise ShapeError(f"dim={dim}: sinusoidal and rotary positions turn pairs of coordinates, so dim must be even")
    exponents = torch.arange(0, dim, 2, device=positions.device, dtype=torch.float32) / dim
    return positions.to(torch.float32)[:, None] / base**exponents
