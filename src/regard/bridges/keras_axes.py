"""Which axes of an input attention runs over: between (batch, ..., heads, size) and (batch, heads, length, size)."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from keras import ops

from regard.spec.errors import ShapeError, SpecError


@dataclass(frozen=True)
class Axes:
    """Inputs of `rank` axes, (batch, ..., size); those `attended` make one length, those left are batch axes too."""

    rank: int
    attended: tuple[int, ...]

    @classmethod
    def of(cls, rank: int, given: tuple[int, ...] | None) -> Axes:
        """`given` may count from the end; None: every axis between the first and the last. Raises `SpecError`."""
        if given is None:
            return cls(rank, tuple(range(1, rank - 1)))
        found = tuple(axis + rank if axis < 0 else axis for axis in given)
        if not found or len(set(found)) < len(found) or not all(0 < axis < rank - 1 for axis in found):
            raise SpecError(
                f"attention_axes={given} for inputs with {rank} axes: expected different ones of 1 to {rank - 2}, "
                "between the batch and the features, or negative numbers from the end"
            )
        return cls(rank, found)

    @property
    def free(self) -> tuple[int, ...]:
        return tuple(axis for axis in range(1, self.rank - 1) if axis not in self.attended)

    def heads_first(self, x: Any) -> Any:
        """(batch, ..., heads, size) -> (all batch axes, heads, length, size)."""
        moved = ops.transpose(x, (0, *self.free, self.rank - 1, *self.attended, self.rank))
        sizes = ops.shape(moved)
        cut = 1 + len(self.free)
        return ops.reshape(moved, (prod(sizes[:cut]), sizes[cut], prod(sizes[cut + 1 : -1]), sizes[-1]))

    def heads_last(self, x: Any, like: Any) -> Any:
        """The way back, to (batch, ..., heads, size), where `like` is (batch, ..., any)."""
        sizes = ops.shape(like)
        order = (0, *self.free, self.rank - 1, *self.attended, self.rank)
        laid = [*(sizes[axis] for axis in (0, *self.free)), x.shape[1], *(sizes[axis] for axis in self.attended)]
        back = [order.index(axis) for axis in range(len(order))]
        return ops.transpose(ops.reshape(x, (*laid, x.shape[-1])), back)

    def weights(self, x: Any, query: Any, key: Any) -> Any:
        """(all batch axes, heads, length, length) -> (batch, free axes, heads, query's attended axes, key's)."""
        asking, asked = ops.shape(query), ops.shape(key)
        lead = [asking[axis] for axis in (0, *self.free)]
        return ops.reshape(
            x, (*lead, x.shape[1], *(asking[a] for a in self.attended), *(asked[a] for a in self.attended))
        )

    def tokens(self, name: str, mask: Any, like: Any) -> Any:
        """A mask of tokens, (batch, ...) as `like` without its last axis, as bool (all batch axes, length)."""
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        if len(mask.shape) != self.rank - 1:
            raise ShapeError(
                f"{name} has {len(mask.shape)} axes, {tuple(mask.shape)}: expected {self.rank - 1}, those of its input "
                f"{tuple(like.shape)} but the last"
            )
        moved = ops.transpose(mask, (0, *self.free, *self.attended))
        cut = 1 + len(self.free)
        sizes = ops.shape(moved)
        return ops.reshape(moved, (prod(sizes[:cut]), prod(sizes[cut:])))

    def pairs(self, mask: Any, query: Any, key: Any) -> Any:
        """An attention mask as bool (all batch axes or 1, heads or 1, query_len or 1, key_len or 1).

        Its last axes are the query's attended axes and the key's, those before them from the left batch, free axes and
        heads; what lacks is taken to lie in front of the attended axes, as in Keras.
        """
        mask = ops.cast(ops.convert_to_tensor(mask), "bool")
        count, full = len(self.attended), 2 + len(self.free) + 2 * len(self.attended)
        if not 2 * count <= len(mask.shape) <= full:
            raise ShapeError(
                f"attention_mask has shape {tuple(mask.shape)}: expected from {2 * count} axes, queries and keys, to "
                f"{full}, with batch and heads in front"
            )
        for _ in range(full - len(mask.shape)):
            mask = ops.expand_dims(mask, -2 * count - 1)
        if not self.free and count == 1:
            return mask
        asking, asked = ops.shape(query), ops.shape(key)
        lead = [asking[axis] for axis in (0, *self.free)]
        ends = [asking[axis] for axis in self.attended], [asked[axis] for axis in self.attended]
        heads = mask.shape[len(lead)]
        wide = ops.broadcast_to(mask, (*lead, heads, *ends[0], *ends[1]))
        return ops.reshape(wide, (prod(lead), heads, prod(ends[0]), prod(ends[1])))
