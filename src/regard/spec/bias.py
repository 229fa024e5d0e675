"""Biases: numbers added to the scores before the mask, and logits that take part in the softmax without a value."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor

from regard.spec.errors import ShapeError, SpecError
from regard.spec.place import Place
from regard.spec.value import Value, described, require_floats

B = TypeVar("B", bound="Bias")


class Bias(Value):
    """Base of what may stand in `bias=`. Added biases define `tile`; `SinkLogits` does not."""

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        """Floats, broadcastable to (batch, heads, len(rows), len(cols)), differentiable in the bias's tensors."""
        raise NotImplementedError

    def check(self, place: Place) -> None:
        """Raise `ShapeError` if this bias does not fit `place`."""

    def with_tensors(self: B, tensors: tuple[Tensor, ...]) -> B:
        """The same bias over other tensors, in the order of `tensors()`: how kernels differentiate a tile."""
        names = [f.name for f in fields(self) if isinstance(getattr(self, f.name), Tensor)]  # type: ignore[arg-type]
        return replace(self, **dict(zip(names, tensors, strict=True)))  # type: ignore[type-var]


@dataclass(frozen=True, eq=False, repr=False)
class TensorBias(Bias):
    """Any float tensor of shape (query_len, key_len) or broadcastable (batch, heads, query_len, key_len).

    An entry of -inf forbids its key, as in torch's float masks.
    """

    values: Tensor

    def __post_init__(self) -> None:
        if (
            not isinstance(self.values, Tensor)
            or not self.values.is_floating_point()
            or self.values.dim() not in (2, 4)
        ):
            raise ShapeError(
                f"bias={described(self.values)}: expected a float tensor of shape (query_len, key_len) or "
                "(batch, heads, query_len, key_len); a bool tensor belongs in mask="
            )

    def check(self, place: Place) -> None:
        sizes = (place.batch, place.heads, place.query_len, place.key_len)[-self.values.dim() :]
        if any(have not in (1, want) for have, want in zip(self.values.shape, sizes, strict=True)):
            raise ShapeError(
                f"bias has shape {tuple(self.values.shape)}, which does not broadcast to {sizes}: "
                "expected those sizes, or 1 where it repeats"
            )

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        values = self.values.to(place.device)
        if values.shape[-2] > 1:
            values = values[..., rows.start : rows.stop, :]
        return values[..., cols.start : cols.stop] if values.shape[-1] > 1 else values


@dataclass(frozen=True, eq=False, repr=False)
class ALiBi(Bias):
    """-slope * |position - key|, one slope a head: `slopes` is (heads,) (Press et al. 2022, arXiv 2108.12409)."""

    slopes: Tensor

    def __post_init__(self) -> None:
        require_floats("ALiBi", "slopes", self.slopes)

    @classmethod
    def for_heads(cls, heads: int) -> ALiBi:
        """The paper's slopes: 2^(-8/n), 2^(-16/n), ... for n a power of two; else those of the next lower power,
        then every second one of the next higher (as in the paper's released code)."""
        if isinstance(heads, bool) or not isinstance(heads, int) or heads < 1:
            raise SpecError(f"ALiBi.for_heads({described(heads)}): expected a whole number of heads, at least one")
        power = 1 << (heads.bit_length() - 1)
        slopes = [2.0 ** (-8 * (i + 1) / power) for i in range(power)]
        slopes += [2.0 ** (-4 * (2 * i + 1) / power) for i in range(heads - power)]
        return cls(torch.tensor(slopes))

    def check(self, place: Place) -> None:
        _per_head("ALiBi(slopes)", self.slopes, place)

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        # in float32 at least: bfloat16 cannot tell the distances 256 and 257 apart
        slopes = self.slopes.to(place.device, torch.promote_types(self.slopes.dtype, torch.float32))
        return slopes[:, None, None] * -place.offsets(rows, cols).abs().to(slopes.dtype)


@dataclass(frozen=True, eq=False, repr=False)
class RelativeBias(Bias):
    """A learned number for each head and each distance: `table` is (heads, 2 * reach + 1), and a key at offset
    `key - position` takes column `clip(offset, -reach, reach) + reach` (Shaw et al. 2018, as a bias)."""

    table: Tensor

    def __post_init__(self) -> None:
        require_floats("RelativeBias", "table", self.table)
        if self.table.dim() != 2 or self.table.shape[1] % 2 == 0:
            raise ShapeError(
                f"RelativeBias(table={described(self.table)}): expected (heads, 2 * reach + 1), an odd width"
            )

    def check(self, place: Place) -> None:
        if self.table.shape[0] != place.heads:
            raise ShapeError(
                f"RelativeBias: table has {self.table.shape[0]} rows but there are {place.heads} heads: "
                "pass one row a query head"
            )

    def tile(self, rows: range, cols: range, place: Place) -> Tensor:
        reach = self.table.shape[1] // 2
        columns = place.offsets(rows, cols).clamp(-reach, reach) + reach
        return self.table.to(place.device)[:, columns]


@dataclass(frozen=True, eq=False, repr=False)
class SinkLogits(Bias):
    """One learned logit a head that takes part in the softmax and carries no value, so that a head may look at
    nothing: weights = exp(score) / (exp(sink) + sum exp(score)). `per_head` is (heads,) (gpt-oss; StreamingLLM §3.3).
    """

    per_head: Tensor

    def __post_init__(self) -> None:
        require_floats("SinkLogits", "per_head", self.per_head)

    def check(self, place: Place) -> None:
        _per_head("SinkLogits(per_head)", self.per_head, place)


def as_biases(given: object) -> tuple[Bias, ...]:
    """`bias=` as a user may give it: None, a float tensor, a bias, or a tuple or list of these (added up)."""
    if given is None:
        return ()
    parts = given if isinstance(given, (tuple, list)) else (given,)
    biases = tuple(TensorBias(part) if isinstance(part, Tensor) else part for part in parts)
    for part in biases:
        if not isinstance(part, Bias):
            raise SpecError(
                f"bias={described(part)}: expected None, a float tensor, a bias such as ALiBi(slopes), or a tuple"
            )
    if sum(isinstance(part, SinkLogits) for part in biases) > 1:
        raise SpecError("bias holds two SinkLogits: a head has one sink logit; log-add them into one")
    return biases


def _per_head(name: str, given: Tensor, place: Place) -> None:
    if tuple(given.shape) != (place.heads,):
        raise ShapeError(f"{name} has shape {tuple(given.shape)}; expected ({place.heads},), one number a head")
