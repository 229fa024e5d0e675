"""Frozen values that may hold tensors: equality by content, a cached hash, and a repr in words."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeGuard

import torch
from torch import Tensor

from regard.spec.errors import ShapeError


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

    def __getstate__(self) -> dict[str, Any]:
        # hashes of types and strings differ from process to process: a pickled value must not carry its own along
        return {name: part for name, part in self.__dict__.items() if name not in ("_hash", "_tensors")}

    def __repr__(self) -> str:
        parts = (f"{f.name}={_show(getattr(self, f.name))}" for f in fields(self))  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(parts)})"

    def tensors(self) -> tuple[Tensor, ...]:
        """The tensors this value holds, those of nested values included, in field order. Looked up once."""
        kept: tuple[Tensor, ...] | None = self.__dict__.get("_tensors")
        if kept is None:
            found: list[Tensor] = []
            for f in fields(self):  # type: ignore[arg-type]
                part = getattr(self, f.name)
                if isinstance(part, Tensor):
                    found.append(part)
                elif isinstance(part, Value):
                    found.extend(part.tensors())
            kept = self.__dict__["_tensors"] = tuple(found)
        return kept


def digest(tensor: Tensor) -> bytes:
    """16 bytes that tell what is in a tensor, for memories that are not to hold it. BLAKE2b, RFC 7693."""
    return hashlib.blake2b(tensor.detach().cpu().contiguous().numpy().tobytes(), digest_size=16).digest()


def described(given: object) -> str:
    """What was given, on one short line, for an error message."""
    if isinstance(given, Tensor):
        name = str(given.dtype)[6:]
        return f"{'an' if name.startswith('i') else 'a'} {name} tensor of shape {tuple(given.shape)}"
    line = " ".join(repr(given).split())
    return line if len(line) <= 60 else f"{line[:57]}..."


def few(values: Sequence[object], most: int = 5) -> str:
    """The first few of many, for an error message: "1, 2, 3, 4, 5 and 115 more"."""
    more = f" and {len(values) - most:,} more" if len(values) > most else ""
    return ", ".join(map(str, values[:most])) + more


def is_number(given: object) -> TypeGuard[float]:
    """True for a finite plain number: not a bool, not a tensor (whose gradient a plain number would lose)."""
    return isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)


def require_floats(owner: str, field: str, given: object) -> None:
    """Raise `ShapeError` unless `given` is a float tensor. `owner` and `field` name it in the message."""
    if not isinstance(given, Tensor) or not given.is_floating_point():
        raise ShapeError(f"{owner}({field}=...) takes a float tensor, got {described(given)}")


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        return left.dtype == right.dtype and left.device == right.device and torch.equal(left, right)
    return type(left) is type(right) and bool(left == right)


def _hashable(part: Any) -> Any:
    return (tuple(part.shape), part.dtype) if isinstance(part, Tensor) else part


def _show(part: Any) -> str:
    return f"<{str(part.dtype)[6:]} {tuple(part.shape)}>" if isinstance(part, Tensor) else repr(part)
