"""Frozen values that may hold tensors: equality by content, a cached hash, and a repr in words."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import torch
from torch import Tensor


class Value:
    """Mix-in of every spec value. Subclasses are `@dataclass(frozen=True, eq=False, repr=False)`.

    Two values are equal when they are of one class and every field is equal; tensors are compared by content, which
    is why dataclasses' own `__eq__` (it would ask a tensor for its truth) is not used.
    """

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return False
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))  # type: ignore[arg-type]

    def __hash__(self) -> int:
        cached: int | None = self.__dict__.get("_hash")
        if cached is None:
            cached = hash((type(self), *(_hashable(getattr(self, f.name)) for f in fields(self))))  # type: ignore[arg-type]
            self.__dict__["_hash"] = cached
        return cached

    def __repr__(self) -> str:
        parts = (f"{f.name}={_show(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(parts)})"

    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors this value holds, those of nested values included, in field order."""
        found: list[Tensor] = []
        for f in fields(self):  # type: ignore[arg-type]
            part = getattr(self, f.name)
            if isinstance(part, Tensor):
                found.append(part)
            elif isinstance(part, Value):
                found.extend(part.tensors())
        return tuple(found)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and left.device == right.device and torch.equal(left, right)
    return type(left) is type(right) and bool(left == right)


def _hashable(part: Any) -> Any:
    return (tuple(part.shape), part.dtype) if isinstance(part, Tensor) else part


def _show(part: Any) -> str:
    return f"<{str(part.dtype)[6:]} {tuple(part.shape)}>" if isinstance(part, Tensor) else repr(part)
