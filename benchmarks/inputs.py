"""Query, key and value of a case, the gradient that comes back to its output, and which kernels can do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import regard
from benchmarks.harness import Results


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Sizes of one call. `kv_heads` divides `heads`; the last query sits on the last key."""

    queries: int
    keys: int
    batch: int = 1
    heads: int = 8
    kv_heads: int = 8
    dim: int = 64

    def __str__(self) -> str:
        heads = f"{self.heads} heads" if self.heads > 1 else "1 head"
        heads += f" on {self.kv_heads}" if self.kv_heads != self.heads else ""
        if self.queries == self.keys:
            length = f"{self.keys:,} tokens"
        else:
            length = f"{self.queries:,} {'query' if self.queries == 1 else 'queries'} on {self.keys:,} keys"
        return f"{f'{self.batch} x ' if self.batch > 1 else ''}{length}, {heads} of {self.dim}"


@dataclass(frozen=True)
class Inputs:
    """Tensors as `attend` takes them; with `gradient` a call is a forward and a backward pass."""

    query: Tensor
    key: Tensor
    value: Tensor
    pull: Tensor  # of the output's shape
    gradient: bool

    @classmethod
    def of(cls, shape: Shape, *, dtype: torch.dtype = torch.float32, gradient: bool = False) -> Inputs:
        made = torch.Generator().manual_seed(shape.keys)

        def drawn(heads: int, length: int) -> Tensor:
            return torch.randn(shape.batch, heads, length, shape.dim, generator=made).to(dtype)

        query, pull = drawn(shape.heads, shape.queries), drawn(shape.heads, shape.queries)
        key, value = drawn(shape.kv_heads, shape.keys), drawn(shape.kv_heads, shape.keys)
        return cls(*(t.requires_grad_(gradient) for t in (query, key, value)), pull, gradient)

    @property
    def leaves(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.query, self.key, self.value

    def back(self, output: Tensor) -> Results:
        """The output, and with `gradient` the three gradients."""
        return (output, *torch.autograd.grad(output, self.leaves, self.pull)) if self.gradient else (output,)

    def attend(self, **asked: Any) -> Results:
        return self.back(regard.attend(*self.leaves, **asked))

    def kernels(self, **asked: Any) -> tuple[str, ...]:
        """Names of the kernels that the planner may choose for this call, its choice first."""
        plan = regard.plan(*self.leaves, **asked)
        return plan.kernel, *(other.row.name for other in plan.others if not other.reasons)
