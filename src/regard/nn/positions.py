"""Positions as layers: the learned table, the sinusoids, and the turning of queries and keys."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from regard.spec.errors import ShapeError, SpecError
from regard.spec.position import Learned, Rotary, Sinusoidal
from regard.spec.value import described


class LearnedPositions(nn.Module):
    """A trained vector for each of the first `max_len` positions (Gehring et al. 2017, arXiv 1705.03122, §3.1)."""

    def __init__(self, spec: Learned, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(spec.max_len, dim))
        nn.init.normal_(self.table, std=dim**-0.5)

    def forward(self, length: int, start: int = 0) -> Tensor:
        """(length, dim): the vectors of positions `start` to `start + length - 1`.

        Raises `ShapeError` when they reach beyond `max_len`.
        """
        most = self.table.shape[0]
        if start < 0 or start + length > most:
            raise ShapeError(
                f"positions {start} to {start + length - 1} were asked for, but Learned(max_len={most}) has 0 to "
                f"{most - 1}: cut the sequence, or build the layer with a larger max_len"
            )
        return self.table[start : start + length]


class SinusoidalPositions(nn.Module):
    """The sinusoids of Vaswani et al. 2017, §3.5: nothing to train, and no longest position."""

    def __init__(self, spec: Sinusoidal, dim: int) -> None:
        super().__init__()
        spec.table(torch.zeros(1), dim)  # refuses an odd dim now rather than at the first batch
        self.spec = spec
        self.dim = dim

    def forward(self, length: int, start: int = 0, device: torch.device | None = None) -> Tensor:
        """(length, dim) float32 encodings of positions `start` to `start + length - 1`."""
        positions = torch.arange(start, start + length, device=device)
        return self.spec.table(positions, self.dim)


def rotate(x: Tensor, rotary: Rotary, start: int) -> Tensor:
    """`x` (batch, heads, len, dim) with token i turned to position `start + i` (Su et al. 2021, arXiv 2104.09864)."""
    return rotary.turn(x, torch.arange(start, start + x.shape[-2], device=x.device))


def positions_layer(spec: Sinusoidal | Learned | None, dim: int) -> LearnedPositions | SinusoidalPositions | None:
    """The layer that adds `spec`'s positions to embeddings of size `dim`. Raises `SpecError` on anything else."""
    if spec is None:
        return None
    if isinstance(spec, Learned):
        return LearnedPositions(spec, dim)
    if isinstance(spec, Sinusoidal):
        return SinusoidalPositions(spec, dim)
    hint = "rotary positions turn queries and keys: pass rotary= to the attention" if isinstance(spec, Rotary) else ""
    raise SpecError(
        f"positions={described(spec)}: expected Sinusoidal(), Learned(max_len) or None; {hint}".rstrip("; ")
    )
