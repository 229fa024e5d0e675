"""A wrapper around the `forward` of every module of a model, while it is in use and no longer.

Hooks would be simpler, but torch's own layers leave their fast path when one is attached, and then compute other bits.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn


class Visitor(Protocol):
    """Who is told of every call of a module, and answers it."""

    def visit(self, module: nn.Module, inner: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any: ...


VISITOR: ContextVar[Visitor | None] = ContextVar("visitor", default=None)


@dataclass
class _Held:
    """A wrapper that stands in a module, for how many users, and the module's own `forward` if it had one set."""

    module: nn.Module
    wrapper: Callable[..., Any]
    own: Callable[..., Any] | None
    users: int = 0


_LOCK = threading.Lock()
_HELD: dict[int, _Held] = {}  # by id of the module, which `_Held` keeps alive


@contextmanager
def wrapped(modules: list[nn.Module]) -> Iterator[None]:
    """Their calls go to this context's `VISITOR`, if there is one. Two threads may hold the same module."""
    held: list[nn.Module] = []
    try:
        for module in modules:
            _take(module)
            held.append(module)
        yield
    finally:
        for module in held:
            _give_back(module)


def _take(module: nn.Module) -> None:
    with _LOCK:
        held = _HELD.get(id(module))
        if held is None:
            held = _Held(module, _wrapper(module, module.forward), module.__dict__.get("forward"))
            module.__dict__["forward"] = held.wrapper
            _HELD[id(module)] = held
        held.users += 1


def _give_back(module: nn.Module) -> None:
    with _LOCK:
        held = _HELD[id(module)]
        held.users -= 1
        if held.users:
            return
        del _HELD[id(module)]
        if module.__dict__.get("forward") is held.wrapper:  # else someone wrapped it once more, and keeps an idle one
            del module.__dict__["forward"]
            if held.own is not None:
                module.__dict__["forward"] = held.own


def _wrapper(module: nn.Module, inner: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(inner)
    def forward(*args: Any, **kwargs: Any) -> Any:
        visitor = VISITOR.get()
        return inner(*args, **kwargs) if visitor is None else visitor.visit(module, inner, args, kwargs)

    return forward
