"""Requests for the Triton kernels. They lie on the CPU, where the truth is computed; `run` takes them to the GPU, where
there is one, and brings the results back."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from regard.kernels.table_gpu import GPU_ROWS
from regard.kernels.triton import observed, windowed
from regard.spec import Request, request
from regard.spec.value import Value

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def run(asked: Request) -> tuple[Tensor, Tensor]:
    output, lse = windowed.run(moved(asked))
    return output.cpu(), lse.cpu()


def observe(asked: Request) -> observed.Observed:
    found = observed.observe(moved(asked))
    return observed.Observed(**{f.name: getattr(found, f.name).cpu() for f in fields(found)})


ROW = replace(next(row for row in GPU_ROWS if row.name == "triton"), run=run)


def moved(asked: Request) -> Request:
    """The same request on `DEVICE`; gradients find their way back."""
    return replace(
        asked,
        query=_moved(asked.query),
        key=_moved(asked.key),
        value=_moved(asked.value),
        score=_moved(asked.score),
        sink=_moved(asked.sink),
        place=replace(asked.place, device=DEVICE),
    )


def _moved(part: Any) -> Any:
    if isinstance(part, Tensor):
        return part.to(DEVICE)
    if not isinstance(part, Value):
        return part
    return replace(part, **{f.name: _moved(getattr(part, f.name)) for f in fields(part)})  # type: ignore[type-var, arg-type]


def floats(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape))).to(dtype)


def ask(
    *,
    batch: int = 1,
    kv_heads: int = 1,
    groups: int = 1,
    queries: int = 19,
    keys: int = 37,
    dim: int = 5,
    value_dim: int = 11,
    dtype: torch.dtype = torch.float32,
    gradient: bool = False,
    **more: object,
) -> Request:
    """By default: two blocks of queries, two of keys, no size a multiple of another."""
    q = floats(batch, kv_heads * groups, queries, dim, dtype=dtype, seed=1)
    k = floats(batch, kv_heads, keys, dim, dtype=dtype, seed=2)
    v = floats(batch, kv_heads, keys, value_dim, dtype=dtype, seed=3)
    return request(*(t.requires_grad_(gradient) for t in (q, k, v)), **more)  # type: ignore[arg-type]
