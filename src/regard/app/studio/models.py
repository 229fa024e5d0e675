"""Models that are held ready, so that a second look at one does not read its folder again."""

from __future__ import annotations

import gc
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Held:
    """The latest few of what was made, by key; what is made is made by the calling thread."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What lies under the key, made where it is not there."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return cast("T", self._kept[key])
            while len(self._kept) >= max(self.most, 1):  # before the next is read: two at once need not fit
                self._kept.popitem(last=False)
        with uncollected():
            made = make()
        with self._lock:
            self._kept[key] = made
        return made

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage is collected in this block.

    A tokenizer's vocabulary is read as millions of objects in one call that keeps Python's lock: each of the full
    collections that they set off walks the whole heap, and no request is answered until the last of them is over.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
