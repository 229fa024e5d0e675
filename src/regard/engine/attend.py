"""`attend`: every mechanism in one call, on the cheapest kernel that can do it; `plan`: what would run."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from regard.engine import plan as planner
from regard.kernels.row import Row
from regard.kernels.sketch import Sketch
from regard.spec.bias import Bias
from regard.spec.budget import Budget
from regard.spec.drawn import is_drawn
from regard.spec.errors import ShapeError, SpecError
from regard.spec.mask import Mask
from regard.spec.policy import Focus
from regard.spec.request import Request, request
from regard.spec.score import ScaledDot, Score
from regard.spec.value import described

_SCALED_DOT = ScaledDot()
_CHOSEN: dict[tuple[Any, ...], Row] = {}  # the planner's choices for calls that are told apart by sizes alone
_REMEMBERED = 4096
FEW_QUERIES = 16

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
    budget: Budget | None = None,
    sketch: Sketch | None = None,
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

    `budget` bounds what each query reads (`regard.Budget`); where reading everything takes less time, that is done, and
    `plan` says so. `sketch`, a `regard.Sketch` of k and v that one keeps from call to call, is what makes a budget pay:
    it is brought up to date here; without one, each call makes its own and reads everything for it.

        >>> q, k, v = torch.tensor([[0.5]]), torch.tensor([[1.0], [1.0]]), torch.tensor([[1.0], [2.0]])
        >>> attend(q, k, v)
        tensor([[1.5000]])

    Raises `ShapeError`, `MaskError`, `SpecError` for arguments that do not fit, `KernelError` when no kernel, or not
    the forced one, can do it. Source: Vaswani et al. 2017, eq. 1; for the other scores see `regard.spec.score`.
    """
    if isinstance(q, Tensor) and q.dim() < 4:
        made = attend(
            *_four(q, k, v),
            score=score,
            mask=mask,
            bias=bias,
            query_start=query_start,
            dropout=dropout,
            budget=budget,
            sketch=sketch,
            kernel=kernel,
        )
        return made.reshape(*q.shape[:-1], v.shape[-1])
    given = {"score": score, "mask": mask, "bias": bias, "query_start": query_start, "dropout": dropout}
    asked = request(q, k, v, **given, budget=budget, kept=kept_sketch(sketch))  # type: ignore[arg-type]
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
    budget: Budget | None = None,
    sketch: Sketch | None = None,
    kernel: str | None = None,
    measure: bool = False,
) -> planner.Plan:
    """What `attend` with the same arguments would run, at what cost, and why; `print(plan)` shows it.

    Runs nothing, unless `measure`: then the chosen kernel, the next cheapest that fits and any other that is predicted
    to be close run a few times (backward too, where a gradient is wanted; no `.grad` is touched), and the measured
    times stand beside the predicted ones.

    Raises what `attend` would raise.
    """
    if isinstance(q, Tensor) and q.dim() < 4:
        q, k, v = _four(q, k, v)
    given = {"score": score, "mask": mask, "bias": bias, "query_start": query_start, "dropout": dropout}
    asked = request(q, k, v, **given, budget=budget, kept=kept_sketch(sketch))  # type: ignore[arg-type]
    return planner.plan(asked, kernel, measure=measure)


def choose(asked: Request, kernel: str | None) -> Row:
    """The row to run; the planner is asked once for calls that differ in nothing it looks at."""
    if is_drawn():  # sizes that are symbols tell no calls apart
        return planner.choose(asked, kernel)
    key = _signature(asked, kernel)
    found = _CHOSEN.get(key)
    if found is None:
        found = planner.choose(asked, kernel)
        if len(_CHOSEN) >= _REMEMBERED:
            _CHOSEN.clear()
        _CHOSEN[key] = found
    return found


def kept_sketch(sketch: Sketch | None) -> Sketch | None:
    """The sketch that was given. Raises `SpecError` for what is none."""
    if sketch is not None and not isinstance(sketch, Sketch):
        raise SpecError(f"sketch={described(sketch)}: expected a sketch of the keys and values, Sketch.of(k, v)")
    return sketch


def _signature(asked: Request, kernel: str | None) -> tuple[Any, ...]:
    """What the planner's choice depends on."""
    q, k, v = asked.query, asked.key, asked.value
    score = asked.score if isinstance(asked.score, ScaledDot) else _kind(asked.score)
    # a large tensor is not looked into by the planner: its place in the expression is enough
    mask = None if asked.mask is None else asked.mask.mark() if asked.mask.lasting else asked.mask.words()
    biases = tuple(_kind(bias) for bias in (*asked.biases, asked.sink) if bias is not None)
    return (
        *(q.shape, *_sizes(asked), v.shape[3], q.dtype, q.device),
        *(
            score,
            mask,
            biases,
            asked.dropout,
            kernel,
            _spending(asked),
            0 if torch.compiler.is_compiling() else torch.get_num_threads(),
        ),
        torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad),
    )


def _spending(asked: Request) -> tuple[Any, ...] | None:
    """What the planner looks at in a budget: not the tensors of its policy."""
    budget = asked.budget
    if budget is None:
        return None
    kind = budget.policy if isinstance(budget.policy, Focus) else type(budget.policy)
    return budget.fraction, budget.keys, budget.tolerance, kind, asked.kept is None


def _sizes(asked: Request) -> tuple[Any, ...]:
    """Sizes of the keys, and where the queries lie before their end. While one token follows another these change with
    every step: then they are told apart by their powers of two alone."""
    batch, heads, length, dim = asked.key.shape
    gap = length - asked.place.query_len - asked.place.query_start
    if asked.query.shape[2] <= FEW_QUERIES < length and gap >= 0:
        return batch, heads, dim, "about", length.bit_length(), gap.bit_length()
    return batch, heads, dim, length, gap


def _kind(part: Score | Bias) -> tuple[Any, ...]:
    """What the planner looks at in a score or a bias: its class, its curve, and its tensors' shapes and gradients."""
    return type(part), getattr(part, "_curve", None), tuple((t.shape, t.requires_grad) for t in part.tensors())


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
