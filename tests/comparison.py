"""The one comparator: a kernel's outputs, lse and gradients against the truth, within a tolerance stated here.

Truth is `reference.steps` (NumPy, float64) for outputs and lse, and autograd of the `dense` kernel in float64 for
gradients; `kernels/test_dense.py` holds those gradients against finite differences of the reference.

Tolerance. A kernel rounds a score of size S by a few eps(working) * S, which moves a weight by as much, relatively;
then it rounds the result to the call's own dtype. So a number of size x may be off by

    (RESULT * eps(dtype) + SCORE * eps(scores) * (1 + S)) * (1 + x)

where S is the largest score of the call and x the largest true number of that tensor. For gradients x is the largest
of all of them, because one that cancels to 0 is made of terms as large as the others, plus the square root of the
number of rows, because a number that all rows share gathers a random walk of their terms, and under a cosine plus one
over the shortest vector's length, for so steep is a direction there. The scores' dtype is float32 for half inputs; save
in `exact`, which hands torch queries prepared in the call's dtype.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from regard.kernels import dense, reference
from regard.kernels.row import Row
from regard.spec.request import Request
from regard.spec.score import Cosine, Dot, ScaledDot
from regard.spec.value import Value

RESULT, SCORE = 4, 32


@dataclass(frozen=True)
class Truth:
    """float64 results of one request, and upstream gradients of output and lse that make its gradients."""

    output: Tensor
    lse: Tensor
    largest_score: float
    upstream: tuple[Tensor, Tensor]
    from_output: tuple[Tensor, ...] | None  # one for each tensor of the request that requires a gradient
    from_lse: tuple[Tensor, ...] | None


def truth(asked: Request, *, gradients: bool = True) -> Truth:
    """What every kernel should give for `asked` (its dropout left out)."""
    found = reference.steps(asked)
    source = torch.Generator().manual_seed(5)
    output, lse = torch.from_numpy(found.output), torch.from_numpy(found.lse)
    upstream = tuple(torch.randn(t.shape, generator=source, dtype=torch.float64) for t in (output, lse))
    counted = np.abs(found.biased[found.allowed])
    largest = float(np.nan_to_num(counted, nan=0, posinf=0).max(initial=0.0))
    parts = _true_gradients(asked, upstream) if gradients and leaves(asked) else (None, None)
    return Truth(output, lse, largest, upstream, *parts)  # type: ignore[arg-type]


def check(row: Row, asked: Request, true: Truth, *, gradients: bool = True) -> None:
    """Raise AssertionError if this kernel's output, lse, or (where `true` has them) gradients are off."""
    noise = noise_of(row, asked, true.largest_score)
    output, lse = row.run(asked)
    assert output.dtype == asked.query.dtype, f"{row.name}: output is {output.dtype}"
    assert row.lse == (lse is not None), f"{row.name}: the table says lse={row.lse}"
    hold(f"{row.name} output", output, true.output, noise)
    if lse is not None:
        hold(f"{row.name} lse", lse, true.lse, noise_of(row, asked, true.largest_score, torch.float32))
    if not (gradients and row.gradients and true.from_output is not None):
        return
    found = gradients_of(asked, output, lse, true.upstream)
    wanted = true.from_output
    if lse is not None:
        assert true.from_lse is not None
        wanted = tuple(a + b for a, b in zip(true.from_output, true.from_lse, strict=True))
    size = max(largest(t) for t in wanted) + true.lse.numel() ** 0.5 + _steepness(asked)
    for index, (got, want) in enumerate(zip(found, wanted, strict=True)):
        own = leaves(asked)[index].dtype
        hold(f"{row.name} gradient {index}", got, want, max(noise, RESULT * torch.finfo(own).eps), size)


def hold(name: str, got: Tensor, want: Tensor, noise: float, size: float | None = None) -> None:
    """Raise AssertionError unless `got` is `want` to within noise * (1 + size), NaN and infinity in the same places."""
    if got.shape != want.shape:
        raise AssertionError(f"{name}: shape {tuple(got.shape)}, expected {tuple(want.shape)}")
    exact = got.detach().to(torch.float64)
    odd = ~torch.isfinite(want)
    if not torch.equal(odd, ~torch.isfinite(exact)) or not torch.equal(
        exact[odd].nan_to_num(nan=3.0), want[odd].nan_to_num(nan=3.0)
    ):
        raise AssertionError(f"{name}: NaN or infinity in other places than expected")
    error = largest(torch.where(odd, 0.0, exact - want))
    bound = noise * (1 + (largest(want) if size is None else size))
    if not error <= bound:
        raise AssertionError(f"{name}: off by {error:.3g}, allowed {bound:.3g}")


def _steepness(asked: Request) -> float:
    if not isinstance(asked.score, Cosine):
        return 0.0
    lengths = torch.cat([t.detach().double().norm(dim=-1).flatten() for t in (asked.query, asked.key)])
    return float((1 / lengths[lengths > 0]).amax()) if bool((lengths > 0).any()) else 0.0


def noise_of(row: Row, asked: Request, score: float, result: torch.dtype | None = None) -> float:
    """The tolerance of a number of size 0, as the module says."""
    dtype = asked.query.dtype
    working = torch.promote_types(dtype, torch.float32)
    if (
        row.name in ("exact", "blocks", "neighbourhood")
        and not isinstance(asked.score, (Dot, ScaledDot))
        and dtype != working
    ):
        return torch.finfo(dtype).eps * (RESULT + score)  # SCORE is for sums of many terms; here two roundings
    made = torch.promote_types(dtype, result) if result is not None else dtype
    return RESULT * torch.finfo(made).eps + SCORE * torch.finfo(working).eps * (1 + score)


def gradients_of(
    asked: Request, output: Tensor, lse: Tensor | None, upstream: tuple[Tensor, Tensor]
) -> tuple[Tensor, ...]:
    """Gradients at `leaves(asked)` of the sums that `upstream` makes of output and lse (-inf left out)."""
    loss = (output.to(torch.float64) * upstream[0]).sum()
    if lse is not None:
        loss = loss + (torch.where(torch.isfinite(lse), lse, 0.0).to(torch.float64) * upstream[1]).sum()
    return torch.autograd.grad(loss, leaves(asked), allow_unused=True, materialize_grads=True)


def leaves(asked: Request) -> list[Tensor]:
    """The tensors of a request that want a gradient."""
    return [t for t in asked.tensors() if t.requires_grad]


def largest(tensor: Tensor) -> float:
    finite = tensor.detach()[torch.isfinite(tensor)]
    return float(finite.abs().max()) if finite.numel() else 0.0


def widened(asked: Request) -> Request:
    """The same request in float64, over leaves of its own."""
    return replace(
        asked,
        query=_wide(asked.query),
        key=_wide(asked.key),
        value=_wide(asked.value),
        score=_wide(asked.score),
        biases=tuple(_wide(bias) for bias in asked.biases),
        sink=None if asked.sink is None else _wide(asked.sink),
    )


def rebuilt(asked: Request, tensors: tuple[Tensor, ...]) -> Request:
    """The same request over other tensors, in the order of `Request.tensors()`."""
    rest = list(tensors)
    query, key, value = (rest.pop(0) for _ in range(3))
    parts = [_over(part, rest) for part in (asked.score, *asked.biases, asked.sink)]
    return replace(asked, query=query, key=key, value=value, score=parts[0], biases=tuple(parts[1:-1]), sink=parts[-1])


def _over(part: Any, rest: list[Tensor]) -> Any:
    """`part` with each of its tensors taken from the front of `rest`."""
    if part is None:
        return None
    held = [f.name for f in fields(part) if isinstance(getattr(part, f.name), Tensor)]
    return replace(part, **{name: rest.pop(0) for name in held})


def _true_gradients(asked: Request, upstream: tuple[Tensor, Tensor]) -> tuple[tuple[Tensor, ...], ...]:
    wide = widened(asked)
    output, lse = dense.run(wide)
    sums = (output * upstream[0]).sum(), (torch.where(torch.isfinite(lse), lse, 0.0) * upstream[1]).sum()
    into = leaves(wide)
    return tuple(
        torch.autograd.grad(total, into, retain_graph=True, allow_unused=True, materialize_grads=True)
        if total.requires_grad  # the lse does not depend on the values
        else tuple(torch.zeros_like(t) for t in into)
        for total in sums
    )


def _wide(part: Any) -> Any:
    if isinstance(part, Tensor):
        return part.detach().to(torch.float64).requires_grad_(part.requires_grad) if part.is_floating_point() else part
    if not isinstance(part, Value):
        return part
    return replace(part, **{f.name: _wide(getattr(part, f.name)) for f in fields(part)})  # type: ignore[type-var, arg-type]
