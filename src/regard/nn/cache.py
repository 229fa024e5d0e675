"""The keys and values that a decoder has computed already."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from regard.nn.checks import check_sizes
from regard.spec.errors import ShapeError, SpecError


class Cache(Protocol):
    """What a layer asks of a cache: `KeyValueCache`, or one that keeps less of the past."""

    @property
    def length(self) -> int:
        """Tokens seen so far."""
        ...

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of the next tokens; return those that they may attend to, their own the last."""
        ...

    def view(self) -> tuple[Tensor, Tensor]:
        """The keys and values held."""
        ...

    def select(self, items: Tensor) -> None:
        """Keep the batch items `items` (new_batch,) int64, in that order."""
        ...


class KeyValueCache:
    """Keys and values of one attention layer, in room set aside ahead and doubled when it is full.

    Used without gradients (`torch.no_grad()` or `torch.inference_mode()`): the room is written in place. `capacity` is
    the number of tokens that the first room holds.
    """

    def __init__(self, *, capacity: int = 64) -> None:
        check_sizes("KeyValueCache", capacity=capacity)
        self._first_capacity = capacity
        self._room: tuple[Tensor, Tensor] | None = None  # (batch, kv_heads, capacity, dim), (..., value_dim)
        self._length = 0

    @property
    def length(self) -> int:
        """Tokens held."""
        return self._length

    @property
    def capacity(self) -> int:
        """Tokens that fit before the room is doubled; 0 before the first append."""
        return 0 if self._room is None else self._room[0].shape[2]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Add key (batch, kv_heads, new, dim) and value (batch, kv_heads, new, value_dim); return all held so far.

        The returned tensors are views, (batch, kv_heads, length, dim) and (..., value_dim): do not write to them.
        Raises `ShapeError` when batch, heads, sizes, dtype or device differ from what is held, and `SpecError` when
        autograd is recording.
        """
        self._check(key, value)
        new = self._length + key.shape[2]
        if self._room is None or new > self.capacity:
            self._grow(new, key, value)
        assert self._room is not None
        for room, part in zip(self._room, (key, value), strict=True):
            room[:, :, self._length : new] = part
        self._length = new
        return self.view()

    def view(self) -> tuple[Tensor, Tensor]:
        """All keys and values held, as views. Raises `SpecError` when nothing has been appended."""
        if self._room is None:
            raise SpecError("the key-value cache is empty: append keys and values before reading them")
        return self._room[0][:, :, : self._length], self._room[1][:, :, : self._length]

    def select(self, items: Tensor) -> None:
        """Keep the batch items `items` (new_batch,) int64, in that order; an item may be kept twice (beam search)."""
        if self._room is not None:
            with torch.inference_mode(False), torch.no_grad():
                self._room = (self._room[0][items], self._room[1][items])

    def clear(self) -> None:
        """Forget everything, shapes included."""
        self._room, self._length = None, 0

    def _grow(self, least: int, key: Tensor, value: Tensor) -> None:
        capacity = max(self.capacity, self._first_capacity)
        while capacity < least:
            capacity *= 2
        # made outside inference mode, so that one cache may be used inside and outside of it
        with torch.inference_mode(False), torch.no_grad():
            room = tuple(part.new_empty(*part.shape[:2], capacity, part.shape[3]) for part in (key, value))
            if self._room is not None:
                for fresh, old in zip(room, self._room, strict=True):
                    fresh[:, :, : self._length] = old[:, :, : self._length]
        self._room = (room[0], room[1])

    def _check(self, key: Tensor, value: Tensor) -> None:
        if key.dim() != 4 or value.dim() != 4 or key.shape[:3] != value.shape[:3]:
            raise ShapeError(
                f"key {tuple(key.shape)} and value {tuple(value.shape)} were appended to a key-value cache: expected "
                "(batch, kv_heads, new, dim) and (batch, kv_heads, new, value_dim)"
            )
        if torch.is_grad_enabled() and (key.requires_grad or value.requires_grad):
            raise SpecError(
                "a key-value cache keeps no gradients, and autograd is recording: decode inside torch.no_grad(), "
                "or train without a cache"
            )
        if self._room is None:
            return
        for name, part, room in zip(("key", "value"), (key, value), self._room, strict=True):
            have, want = _kind(part), _kind(room)
            if have != want:
                raise ShapeError(
                    f"the key-value cache holds {name}s of (batch, kv_heads, dim) {want}, but {have} was appended: one "
                    "cache serves one layer and one batch; make a new one, or call clear()"
                )


@dataclass(frozen=True, eq=False)
class BlockCache:
    """What one decoder block keeps: `own` grows with every token, `context` is filled once, at the first."""

    own: Cache = field(default_factory=KeyValueCache)
    context: KeyValueCache = field(default_factory=KeyValueCache)

    def select(self, items: Tensor) -> None:
        """Keep the batch items `items` in both, as `KeyValueCache.select`."""
        self.own.select(items)
        self.context.select(items)


def _kind(part: Tensor) -> str:
    batch, heads, _, dim = part.shape
    return f"({batch}, {heads}, {dim}) {str(part.dtype)[6:]} on {part.device}"
