"""Keys and values of the latest tokens alone, in room that never grows."""

from __future__ import annotations

import torch
from torch import Tensor

from regard.nn.cache import KeyValueCache
from regard.nn.checks import check_sizes
from regard.spec.errors import ShapeError, SpecError
from regard.spec.positional import Window
from regard.spec.value import described


class WindowCache:
    """What a layer under `Window(before, 0)`, or `Window(before, 0) | Sinks(sinks)`, needs of the past, and no more.

    Room for sinks + before + 1 tokens; the oldest beyond the sinks gives way to the newest. Keys come back in whatever
    order they lie, which attention does not see as long as no bias and no mask of places is laid over them. Stands
    where a layer takes a `KeyValueCache`: `length` counts the tokens seen, so that rotary positions are the true ones.
    """

    def __init__(self, window: Window, sinks: int = 0) -> None:
        if not isinstance(window, Window) or window.after != 0:
            raise SpecError(
                f"WindowCache({described(window)}): expected Window(before, 0): what follows is not known yet"
            )
        if sinks:
            check_sizes("WindowCache", sinks=sinks)
        self.capacity = sinks + window.before + 1
        self._sinks, self._seen = sinks, 0
        self._held = KeyValueCache(capacity=self.capacity)

    @property
    def length(self) -> int:
        """Tokens seen, those included that are held no more."""
        return self._seen

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add key (batch, kv_heads, new, dim) and value (batch, kv_heads, new, value_dim); return what is held.

        Several tokens at once only while all tokens so far fit; then one by one, for each sees another window. Raises
        `SpecError` for more, and when autograd is recording; `ShapeError` for keys unlike those held.
        """
        new = key.shape[2]
        if self._seen + new <= self.capacity:
            keys, values = self._held.append(key, value)
            self._seen += new
            return keys, values
        if new != 1:
            raise SpecError(
                f"{new} tokens were appended to a cache of {self.capacity} that has seen {self._seen}: once it is full "
                "tokens come one by one"
            )
        keys, values = self._held.view()
        slot = self._sinks + (self._seen - self._sinks) % (self.capacity - self._sinks)
        for room, part in ((keys, key), (values, value)):
            self._write(room, part, slot)
        self._seen += 1
        return keys, values

    def select(self, items: Tensor) -> None:
        """Keep the batch items `items`, as `KeyValueCache.select`."""
        self._held.select(items)

    def _write(self, room: Tensor, part: Tensor, slot: int) -> None:
        if part.shape != room[:, :, :1].shape or part.dtype != room.dtype:
            raise ShapeError(
                f"{described(part)} was appended to a cache of {described(room)}: expected one token of that kind"
            )
        if torch.is_grad_enabled() and part.requires_grad:
            raise SpecError("a cache keeps no gradients, and autograd is recording: decode inside torch.no_grad()")
        room[:, :, slot] = part[:, :, 0]
