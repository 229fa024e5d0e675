"""A request: the arguments of one attention call, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from regard.spec.bias import Bias, SinkLogits, as_biases
from regard.spec.budget import Budget
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.membership import as_mask
from regard.spec.place import Place
from regard.spec.score import ScaledDot, Score
from regard.spec.value import described

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


@dataclass(frozen=True, eq=False, slots=True)
class Request:
    """What one call asks for. Build it with `request(...)`, which checks; kernels may rely on every check."""

    query: Tensor  # (batch, heads, query_len, dim)
    key: Tensor  # (batch, kv_heads, key_len, key_dim)
    value: Tensor  # (batch, kv_heads, key_len, value_dim)
    score: Score
    mask: Mask | None
    biases: tuple[Bias, ...]  # added to the scores; SinkLogits is not among them
    sink: SinkLogits | None
    dropout: float
    place: Place
    budget: Budget | None = None
    kept: object = None  # what the kernel that spends the budget keeps between calls

    @property
    def groups(self) -> int:
        """Query heads to a key head."""
        return self.query.shape[1] // self.key.shape[1] if self.key.shape[1] else 1

    @property
    def output_shape(self) -> tuple[int, int, int, int]:
        return (*self.query.shape[:3], self.value.shape[3])

    def tensors(self) -> tuple[Tensor, ...]:
        """Every tensor that a gradient may flow to."""
        own = [t for value in (self.score, *self.biases, self.sink) if value is not None for t in value.tensors()]
        return (self.query, self.key, self.value, *own)

    def wants_gradient(self) -> bool:
        """True when autograd will ask for a backward pass."""
        return torch.is_grad_enabled() and any(t.requires_grad for t in self.tensors())


_SCALED_DOT = ScaledDot()


def request(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | Tensor | None = None,
    bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
    query_start: int | None = None,
    dropout: float = 0.0,
    budget: Budget | None = None,
    kept: object = None,
) -> Request:
    """Check the arguments of `attend` and freeze them. Raises `ShapeError`, `MaskError` or `SpecError`."""
    _check_tensors(query, key, value)
    if not isinstance(score, Score):
        raise SpecError(
            f"score={described(score)}: expected a score such as ScaledDot() (a value, not a class or a name)"
        )
    score.check(query, key)
    _check_devices(query, key, value, score.tensors())
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0.0 <= dropout < 1.0:
        raise SpecError(f"dropout={described(dropout)}: expected a probability, 0 <= dropout < 1")
    start = key.shape[2] - query.shape[2] if query_start is None else query_start
    if isinstance(start, bool) or not isinstance(start, (int, torch.SymInt)):
        raise SpecError(
            f"query_start={described(query_start)}: expected a whole number, the position of the first query"
        )
    place = Place(query.shape[0], query.shape[1], query.shape[2], key.shape[2], start, query.device)
    if budget is not None:
        if not isinstance(budget, Budget):
            raise SpecError(f"budget={described(budget)}: expected a budget such as Budget(fraction=0.1)")
        budget.check(query.dtype)
    checked_mask = as_mask(mask)
    if checked_mask is not None:
        checked_mask.check(place)
    biases = as_biases(bias)
    for part in biases:
        part.check(place)
    return Request(
        query=query,
        key=key,
        value=value,
        score=score,
        mask=checked_mask,
        biases=tuple(part for part in biases if not isinstance(part, SinkLogits)),
        sink=next((part for part in biases if isinstance(part, SinkLogits)), None),
        dropout=float(dropout),
        place=place,
        budget=budget,
        kept=kept,
    )


def _check_tensors(query: Tensor, key: Tensor, value: Tensor) -> None:
    if not (isinstance(query, Tensor) and isinstance(key, Tensor) and isinstance(value, Tensor)):
        name, given = next(p for p in zip("qkv", (query, key, value), strict=True) if not isinstance(p[1], Tensor))
        raise SpecError(f"{name} is {described(given)}: expected a torch tensor; torch.as_tensor(...) makes one")
    q, k, v = query.shape, key.shape, value.shape
    if len(q) != 4 or len(k) != 4 or len(v) != 4:
        raise ShapeError(f"{_given(query, key, value)}: expected 4 dimensions each, (batch, heads, length, dim)")
    if q[0] != k[0] or q[0] != v[0]:
        raise ShapeError(
            f"{_given(query, key, value)}: batch sizes differ; expected one batch size, got {q[0]}, {k[0]}, {v[0]}"
        )
    if k[1] != v[1] or k[2] != v[2]:
        raise ShapeError(
            f"{_given(query, key, value)}: key and value must have the same heads and length (axes 1 and 2)"
        )
    if q[1] != k[1] and (k[1] == 0 or q[1] % k[1]):
        raise ShapeError(
            f"{_given(query, key, value)}: {q[1]} query heads cannot share {k[1]} key heads; "
            "heads must be a multiple of kv_heads (grouped queries)"
        )
    if not query.dtype == key.dtype == value.dtype or query.dtype not in DTYPES:
        names = ", ".join(str(t.dtype)[6:] for t in (query, key, value))
        raise ShapeError(
            f"query, key, value have dtypes {names}: expected one of float64, float32, bfloat16, float16 for all; "
            "convert them with .to(dtype)"
        )


def _check_devices(query: Tensor, key: Tensor, value: Tensor, others: tuple[Tensor, ...]) -> None:
    """`others` are the score's tensors."""
    device = query.device
    if key.device != device or value.device != device or (others and any(t.device != device for t in others)):
        score = f", and the score's tensors on {', '.join(str(t.device) for t in others)}" if others else ""
        raise ShapeError(
            f"query, key, value are on {device}, {key.device}, {value.device}{score}: move them to one device"
        )


def _given(query: Tensor, key: Tensor, value: Tensor) -> str:
    return f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
