"""What every front end returns, and what every front end is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from regard.nn.checks import real_tokens
from regard.nn.front_ends.instance_scale import InstanceScale
from regard.nn.front_ends.units import Unit, Units
from regard.spec.errors import ShapeError
from regard.spec.padding import Padding
from regard.spec.value import described


@dataclass(frozen=True, eq=False)
class Tokens:
    """A batch of inputs as tokens, ready for a core.

    tokens: (batch, len, dim), exactly 0 beyond an item's length. lengths: (batch,) int64, the real tokens of each item,
    which come first; None where all are full. units: what the tokens cover of the input.
    positions: what `tokens` holds for where each stands, (len, dim) or (batch, len, dim); it is added already. None
    where positions are left to the core (rotary ones, biases by distance, a recurrent core).
    scale: of a series, how an answer is taken back to the series' own units; None of all else.

    Raises `ShapeError` for tensors that do not fit each other.
    """

    tokens: Tensor
    lengths: Tensor | None
    units: Units
    positions: Tensor | None = None
    scale: InstanceScale | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.tokens, Tensor) or self.tokens.dim() != 3:
            raise ShapeError(f"Tokens(tokens={described(self.tokens)}): expected (batch, len, dim)")
        batch, length, dim = self.tokens.shape
        if self.lengths is not None and (tuple(self.lengths.shape) != (batch,) or self.lengths.dtype != torch.int64):
            raise ShapeError(f"Tokens(lengths={described(self.lengths)}): expected a ({batch},) int64 tensor, or None")
        if self.positions is not None and tuple(self.positions.shape) not in ((length, dim), (batch, length, dim)):
            raise ShapeError(
                f"Tokens(positions={described(self.positions)}): expected ({length}, {dim}) or "
                f"({batch}, {length}, {dim}), or None"
            )

    @classmethod
    def padded(
        cls,
        where: str,
        tokens: Tensor,
        lengths: Tensor | None,
        units: Units,
        *,
        positions: Tensor | None = None,
        scale: InstanceScale | None = None,
    ) -> Tokens:
        """The value with whatever lies beyond the lengths set to 0. `where` names the caller in errors.

        Raises `ShapeError` for lengths below 0 or beyond the tokens.
        """
        if lengths is not None:
            tokens = tokens.masked_fill(~real_tokens(where, lengths, tokens)[..., None], 0.0)
            lengths = lengths.to(torch.int64)
        return cls(tokens, lengths, units, positions, scale)

    def __len__(self) -> int:
        return self.tokens.shape[0]

    @property
    def mask(self) -> Padding | None:
        """The mask that keeps the core off the padding: `Padding(lengths)`, None where nothing is padded."""
        return None if self.lengths is None else Padding(self.lengths)

    @property
    def real(self) -> Tensor:
        """(batch, len) bool: True on real tokens."""
        batch, length = self.tokens.shape[:2]
        places = torch.arange(length, device=self.tokens.device).expand(batch, -1)
        return places < self.counts.to(self.tokens.device)[:, None]

    @property
    def counts(self) -> Tensor:
        """(batch,) int64: the real tokens of each item, also where all are full."""
        batch, length = self.tokens.shape[:2]
        if self.lengths is None:
            return torch.full((batch,), length, device=self.tokens.device)
        return self.lengths

    def covered(self, item: int) -> tuple[Unit, ...]:
        """What each real token of an item covers of the input, in order."""
        return self.units.of(item, int(self.counts[item]))


class FrontEnd(Protocol):
    """A module that makes tokens of one kind of raw input.

    dim: the size of its tokens. longest: the most tokens it can make of one input, None where there is no limit.
    Calling it on a batch gives `Tokens`; what it is called with depends on the kind. `units` says, from an input's
    size alone, what its tokens would cover.
    """

    @property
    def dim(self) -> int: ...
    @property
    def longest(self) -> int | None: ...
    def units(self, *size: Any) -> Units: ...
    def __call__(self, *inputs: Any, **named: Any) -> Tokens: ...
