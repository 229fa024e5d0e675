"""`attend`: every mechanism in one call, on the cheapest kernel that can do it; `plan`: what would run."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from regard.engine import plan as planner
from regard.kernels.table import Row
from regard.spec.bias import Bias
from regard.spec.errors import ShapeError
from regard.spec.mask import Mask
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot, Score

_SCALED_DOT = ScaledDot()
_CHOSEN: dict[tuple[Any, ...], Row] = {}  # the planner's choices for calls that are told apart by sizes alone
_REMEMBERED = 4096

# who is to be told of the calls made in this context (set by `regard.engine.seams.reach`); gives what `attend` returns
WATCHER: ContextVar[Callable[[Request, Callable[[], Tensor]], Tensor] | None] = ContextVar("watcher", default=None)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | Tensor | None = None,
    bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
    query_start: int | None = None,
    dropout: float = 0.0,
    kernel: str | None = None,
) -> Tensor:
    """Attention: for each query, the mean of the values under softmax(score + bias) over the keys its mask allows.

    Shapes: q (batch, heads, query_len, dim), k (batch, kv_heads, key_len, dim), v (batch, kv_heads, key_len, value_dim)
    give (batch, heads, query_len, value_dim); heads is a multiple of kv_heads, and query head h reads key head
    h // (heads / kv_heads). All three may instead be (batch, length, dim) or (length, dim): one head. Any of float64,
    float32, bfloat16, float16; half types accumulate in float32. Gradients flow to q, k, v and to the tensors of score
    and bias, once (no second derivative outside the "dense" kernel).

    `mask` True means may attend; a query that may attend to nothing gives 0. Query i stands at `query_start + i`, by
    default `key_len - query_len + i` (the last query on the last key). `dropout` applies whenever it is not 0: pass 0
    in evaluation. `kernel` forces a row of the kernel table and forbids any other.

        >>> q, k, v = torch.tensor([[0.5]]), torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [2.0]])
        >>> attend(q, k, v)
        tensor([[1.5000]])

    Raises `ShapeError`, `MaskError`, `SpecError` for arguments that do not fit, `KernelError` when no kernel, or not
    the forced one, can do it. Source: Vaswani et al. 2017, eq. 1; for the other scores see `regard.spec.score`.
    """
    if isinstance(q, Tensor) and q.dim() < 4:
        made = attend(
            *_four(q, k, v), score=score, mask=mask, bias=bias, query_start=query_start, dropout=dropout, kernel=kernel
        )
        return made.reshape(*q.shape[:-1], v.shape[-1])
    asked = request(q, k, v, score=score, mask=mask, bias=bias, query_start=query_start, dropout=dropout)
    row, watcher = choose(asked, kernel), WATCHER.get()
    return row.run(asked)[0] if watcher is None else watcher(asked, lambda: row.run(asked)[0])


def plan(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    score: Score = _SCALED_DOT,
    mask: Mask | Tensor | None = None,
    bias: Bias | Tensor | tuple[Bias | Tensor, ...] | None = None,
    query_start: int | None = None,
    dropout: float = 0.0,
    kernel: str | None = None,
) -> planner.Plan:
    """What `attend` with the same arguments would run, at what cost, and why; `print(plan)` shows it. Runs nothing.

    Raises what `attend` would raise.
    """
    if isinstance(q, Tensor) and q.dim() < 4:
        q, k, v = _four(q, k, v)
    asked = request(q, k, v, score=score, mask=mask, bias=bias, query_start=query_start, dropout=dropout)
    return planner.plan(asked, kernel)


def choose(asked: Request, kernel: str | None) -> Row:
    """The row to run; the planner is asked once for calls that differ in nothing it looks at."""
    key = _signature(asked, kernel)
    if key is None:
        return planner.plan(asked, kernel).chosen.row
    found = _CHOSEN.get(key)
    if found is None:
        found = planner.plan(asked, kernel).chosen.row
        if len(_CHOSEN) >= _REMEMBERED:
            _CHOSEN.clear()
        _CHOSEN[key] = found
    return found


def _signature(asked: Request, kernel: str | None) -> tuple[Any, ...] | None:
    """What the planner's choice depends on, if that is sizes and plain values alone; else None."""
    if asked.biases or asked.sink is not None:
        return None
    if asked.mask is not None and asked.mask.tensors():
        return None
    q, k, v = asked.query, asked.key, asked.value
    score = asked.score if isinstance(asked.score, ScaledDot) else _kind(asked.score)
    return (
        *(q.shape, k.shape, v.shape, q.dtype, q.device, asked.place.query_start),
        *(score, asked.mask, asked.dropout, kernel),
        torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad),
    )


def _kind(score: Score) -> tuple[Any, ...]:
    """What the planner looks at in a score: its class, its curve, and whether its own tensors want a gradient."""
    return type(score), getattr(score, "_curve", None), any(t.requires_grad for t in score.tensors())


def _four(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(batch, length, dim) or (length, dim) as one head, (batch, 1, length, dim)."""
    if not (isinstance(k, Tensor) and isinstance(v, Tensor)):
        request(q, k, v)  # raises, naming the one that is no tensor
    if not (q.dim() == k.dim() == v.dim() and q.dim() in (2, 3)):
        raise ShapeError(
            f"query {tuple(q.shape)}, key {tuple(k.shape)}, value {tuple(v.shape)}: expected all three as "
            "(batch, heads, length, dim), or all as (batch, length, dim), or all as (length, dim)"
        )
    first, second, third = (t[:, None] if t.dim() == 3 else t[None, None] for t in (q, k, v))
    return first, second, third
