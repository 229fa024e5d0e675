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

    Room for sinks + before + 1 tokens; the oldest beyond the sinks gives way to the newest. After a single token keys
    come back in whatever order they lie: no mask is needed, for all of them are seen. After several at once they come
    in the order of their tokens, and the mask must be laid over them; distances in it are true, but for those to sinks.
    Stands where a layer takes a `KeyValueCache`: `length` counts the tokens seen, so that rotary positions are true.
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
        """Add key (batch, kv_heads, new, dim) and value (batch, kv_heads, new, value_dim); return all that the new
        tokens may attend to: what is held, or for several tokens what was held before and they themselves.

        Raises `SpecError` when autograd is recording, `ShapeError` for keys unlike those held.
        """
        new, seen = key.shape[2], self._seen
        fits = seen + new <= self.capacity
        if seen and not fits:
            self._check(key, value)
        # several tokens see more than will be kept
        several = None if fits or new == 1 else self._joined(key, value)
        free = self.capacity - self._held.length
        found = self._held.append(key[:, :, :free], value[:, :, :free]) if free else self._held.view()
        for room, part in zip(found, (key, value), strict=True):
            self._overwrite(room, part, seen, range(seen + free, seen + new))
        self._seen = seen + new
        return found if several is None else several

    def view(self) -> tuple[Tensor, Tensor]:
        """Keys and values held, in the order of their tokens. Raises `SpecError` when there are none."""
        keys, values = self._held.view()
        if self._seen <= self.capacity:
            return keys, values
        oldest = self._slot(self._seen)
        sinks, older, newer = slice(self._sinks), slice(oldest, None), slice(self._sinks, oldest)
        first, second = (torch.cat([room[:, :, part] for part in (sinks, older, newer)], 2) for room in (keys, values))
        return first, second

    def select(self, items: Tensor) -> None:
        """Keep the batch items `items`, as `KeyValueCache.select`."""
        self._held.select(items)

    def _slot(self, token: int) -> int:
        """Where a token beyond the sinks lies."""
        return self._sinks + (token - self._sinks) % (self.capacity - self._sinks)

    def _joined(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """What is held, and the next tokens after it."""
        if not self._seen:
            return key, value
        first, second = (torch.cat((old, part), 2) for old, part in zip(self.view(), (key, value), strict=True))
        return first, second

    def _overwrite(self, room: Tensor, part: Tensor, seen: int, tokens: range) -> None:
        """Put the latest of `tokens` where the oldest held ones lie; `part` begins with the token number `seen`."""
        tokens = tokens[-(self.capacity - self._sinks) :]
        while tokens:
            slot, at = self._slot(tokens.start), tokens.start - seen
            run = min(len(tokens), self.capacity - slot)
            room[:, :, slot : slot + run] = part[:, :, at : at + run]
            tokens = tokens[run:]

    def _check(self, *parts: Tensor) -> None:
        for room, part in zip(self._held.view(), parts, strict=True):
            if (part.shape[:2], part.shape[3:], part.dtype) != (room.shape[:2], room.shape[3:], room.dtype):
                raise ShapeError(
                    f"{described(part)} was appended to a cache of {described(room)}: expected tokens of that kind"
                )
            if torch.is_grad_enabled() and part.requires_grad:
                raise SpecError("a cache keeps no gradients, and autograd is recording: decode inside torch.no_grad()")
