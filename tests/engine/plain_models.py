"""Models in plain torch for the seams' tests, and whether anything was left behind in one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from regard.engine import seam_forward
from regard.engine.attend import WATCHER
from regard.engine.seams import Reached


class Attention(nn.Module):
    """Multi-head self-attention in plain torch."""

    def __init__(self, dim: int = 8, heads: int = 2) -> None:
        super().__init__()
        self.qkv, self.out, self.heads = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim), heads

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Attention(), Attention()])
        self.boom = False

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = x + block(x)
        if self.boom:
            raise RuntimeError("boom")
        return x


def x(length: int = 5) -> Tensor:
    return torch.randn(2, length, 8, generator=torch.Generator().manual_seed(1))


def answer(reached: Reached) -> Any:
    return reached.compute()


def untouched(model: nn.Module) -> bool:
    """No module carries a `forward` of its own, and nothing listens."""
    return (
        not any("forward" in module.__dict__ for module in model.modules())
        and not seam_forward._HELD
        and seam_forward.VISITOR.get() is None
        and WATCHER.get() is None
        and torch._C._len_torch_function_stack() == 0
    )
