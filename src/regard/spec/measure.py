"""Measures: a number for each pair of a query and a key, whose mean under the weights is a figure of attention.

A measure that attention is trained on is differentiated through the weights, in linear memory (`engine.trained`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.place import Place
from regard.spec.value import Value, is_number


class Measure(Value):
    """Base of every measure: a frozen value with a `tile`."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        """Floats, broadcastable to (batch, heads, len(rows), len(cols)); no gradient flows into them."""
        raise NotImplementedError

    def check(self, place: Place) -> None:
        """Raise `ShapeError` if this measure does not fit `place`."""


@dataclass(frozen=True, eq=False, repr=False)
class Distance(Measure):
    """|position - key|, in keys: its mean is the distance that a query looks."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        return place.offsets(rows, cols).abs().to(torch.float32)


@dataclass(frozen=True, eq=False, repr=False)
class OnKeys(Measure):
    """A number for each key, whoever asks: with 1 on marked keys and 0 elsewhere its mean is the mass on the marked.

    `values` is (key_len,), (batch, key_len) or (batch, heads, key_len); bool counts as 0 and 1.
    """

    values: Tensor

    def check(self, place: Place) -> None:
        shape = tuple(self.values.shape) if isinstance(self.values, Tensor) else None
        sizes = (place.batch, place.heads, place.key_len)
        if shape not in ((sizes[2],), (sizes[0], sizes[2]), sizes):
            raise ShapeError(
                f"OnKeys(values) has shape {shape}; expected ({sizes[2]},) or {(sizes[0], sizes[2])} or {sizes}: "
                "one number a key, or one a batch item (and head) and key"
            )

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        values = self.values.detach().to(place.device)
        values = values if values.is_floating_point() else values.to(torch.float32)
        shown = values[..., cols.start : cols.stop]
        return shown[:, None, None] if values.dim() == 2 else shown[..., None, :]


@dataclass(frozen=True, eq=False, repr=False)
class OffDiagonal(Measure):
    """1 - exp(-(i/n - j/m)² / (2 width²)) for query i of n and key j of m: 0 on the diagonal, 1 far from it.

    The guided attention of Tachibana et al. 2017 (arXiv 1710.08969, eq. 6), whose width is 0.2: for sequences that run
    alongside each other, as speech and its text do.
    """

    width: float = 0.2

    def __post_init__(self) -> None:
        if not (is_number(self.width) and self.width > 0):
            raise SpecError(
                f"OffDiagonal(width={self.width!r}): expected a finite number above 0, a share of the length"
            )

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        down = torch.arange(rows.start, rows.stop, device=place.device)[:, None] / max(1, place.query_len)
        along = torch.arange(cols.start, cols.stop, device=place.device) / max(1, place.key_len)
        return 1 - torch.exp(-((down - along) ** 2) / (2 * self.width**2))
