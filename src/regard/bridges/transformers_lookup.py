"""A method of one of transformers' look-up tables, answered per context: whoever is not reaching a model gets what the
library gives, also while another thread is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class LookUp:
    """The method `name`; `answering(own)` makes what stands in its place while anyone uses it."""

    name: str
    answering: Callable[[Callable[..., Any]], Callable[..., Any]]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _users: int = 0
    _own: Any = None  # what the class itself had under that name, None where it inherits

    @contextmanager
    def opened(self, owner: type | None) -> Iterator[None]:
        """`owner` is the table's class, None where the library has no such table, or no model of it was loaded."""
        if owner is None or not hasattr(owner, self.name):
            yield
            return
        self._open(owner)
        try:
            yield
        finally:
            self._close(owner)

    def _open(self, owner: type) -> None:
        with self._lock:
            if self._users == 0:
                self._own = owner.__dict__.get(self.name)
                setattr(owner, self.name, self.answering(getattr(owner, self.name)))
            self._users += 1

    def _close(self, owner: type) -> None:
        with self._lock:
            self._users -= 1
            if self._users:
                return
            if self._own is None:
                delattr(owner, self.name)
            else:
                setattr(owner, self.name, self._own)
            self._own = None
