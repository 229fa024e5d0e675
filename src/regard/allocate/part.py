"""Key heads of one layer that hold equally many keys, in one tensor with a little room behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_BY_KEY = ("keys", "values", "received", "positions", "real")  # tensors (batch, heads, room, ...)


@dataclass(eq=False)
class Part:
    """The first `count` places along the third axis are taken, in order of position; behind them is room.

    keys, values: (batch, heads, room, ...). received: (batch, heads, room), the mass each key has received. positions:
    int32, its place in the text. real: False for padding, or None where nothing held is padding.
    """

    heads: list[int]
    keys: Tensor
    values: Tensor
    received: Tensor
    positions: Tensor
    real: Tensor | None
    count: int

    @classmethod
    def of(cls, key: Tensor, value: Tensor, real: Tensor | None) -> Part:
        """All heads of (batch, kv_heads, key_len, ...), without a copy and without room. real: (batch, key_len)."""
        batch, heads, count = key.shape[:3]
        received = key.new_zeros(batch, heads, count, dtype=torch.promote_types(key.dtype, torch.float32))
        positions = torch.arange(count, dtype=torch.int32, device=key.device).expand(batch, heads, count).clone()
        real = None if real is None or bool(real.all()) else real[:, None].expand(batch, heads, count).clone()
        return cls(list(range(heads)), key, value, received, positions, real, count)

    @classmethod
    def gathered(cls, places: Sequence[tuple[Part, int]], heads: list[int], kept: Sequence[Tensor], room: int) -> Part:
        """`heads`, each from a (part, slot), with `kept[head]` (batch, size) of its keys, and `room` for more."""
        kept = [kept[head] for head in heads]
        made = {name: _gathered([(getattr(part, name), slot) for part, slot in places], kept, room) for name in _BY_KEY}
        size, real = kept[0].shape[1], made["real"]
        if real is not None and bool(real[:, :, :size].all()):
            made["real"] = None
        return cls(heads, **made, count=size)  # type: ignore[arg-type]

    @property
    def key(self) -> Tensor:
        """(batch, heads, count, dim), a view."""
        return self.keys[:, :, : self.count]

    @property
    def value(self) -> Tensor:
        """(batch, heads, count, value_dim), a view."""
        return self.values[:, :, : self.count]

    @property
    def bytes(self) -> int:
        """Of its tensors, as allocated, the room included."""
        return sum(tensor.untyped_storage().nbytes() for tensor in self._tensors().values())

    def queries(self, groups: int) -> list[int]:
        """The query heads that read these key heads."""
        return [head * groups + each for head in self.heads for each in range(groups)]

    def append(self, key: Tensor, value: Tensor, *, position: int, room: int) -> None:
        """Take in the new keys of its heads, the first of them at `position`; makes `room` for more where there is not
        enough. key, value: (batch, kv_heads, new, ...)."""
        new = key.shape[2]
        stop = self.count + new
        outlived = (
            self.keys.is_inference() and not torch.is_inference_mode_enabled()
        )  # such tensors cannot be written to
        if stop > self.keys.shape[2] or outlived:
            self._resize(stop + (room if new <= room else 0))
        fresh = slice(self.count, stop)
        self.keys[:, :, fresh] = key[:, self.heads]
        self.values[:, :, fresh] = value[:, self.heads]
        self.received[:, :, fresh] = 0
        self.positions[:, :, fresh] = torch.arange(position, position + new, dtype=torch.int32, device=key.device)
        if self.real is not None:
            self.real[:, :, fresh] = True
        self.count = stop

    def mark(self, real: Tensor) -> None:
        """`real` (batch, new) of the keys that came last."""
        if self.real is None:
            if bool(real.all()):
                return
            self.real = torch.ones_like(self.received, dtype=torch.bool)
        self.real[:, :, self.count - real.shape[1] : self.count] = real[:, None]

    def select(self, items: Tensor) -> None:
        """Only these items of the batch, in this order."""
        for name, tensor in self._tensors().items():
            setattr(self, name, tensor.index_select(0, items.to(tensor.device)))

    def _resize(self, room: int) -> None:
        for name, tensor in self._tensors().items():
            larger = tensor.new_empty(*tensor.shape[:2], room, *tensor.shape[3:])
            larger[:, :, : self.count] = tensor[:, :, : self.count]
            setattr(self, name, larger)

    def _tensors(self) -> dict[str, Tensor]:
        named = {name: getattr(self, name) for name in _BY_KEY}
        return {name: tensor for name, tensor in named.items() if tensor is not None}


def _gathered(sources: list[tuple[Tensor | None, int]], kept: list[Tensor], room: int) -> Tensor | None:
    """(batch, heads, size + room, ...) from a slot of a tensor for each head; None stands for True everywhere."""
    like = next((source for source, _ in sources if source is not None), None)
    if like is None:
        return None
    batch, size = kept[0].shape
    new = like.new_empty(batch, len(sources), size + room, *like.shape[3:])
    for at, ((source, slot), index) in enumerate(zip(sources, kept, strict=True)):
        if source is None:
            new[:, at, :size] = True
            continue
        wide = index if source.dim() == 3 else index[..., None].expand(batch, size, source.shape[3])
        new[:, at, :size] = source[:, slot].gather(1, wide)
    return new
