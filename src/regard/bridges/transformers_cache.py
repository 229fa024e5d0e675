"""transformers' caches: the layers that hold every token are exchanged, one by one, for layers that hold some.

Any cache that grows will do: the one that `generate` or a model makes for itself, or a `DynamicCache` that was passed.
Layers with a window hold little already and stay; so does the cache itself, with its interface. Positions, lengths and
masks go by all tokens that were seen, not by those that are held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer, EncoderDecoderCache

from regard.allocate.evicting import attended, outside
from regard.allocate.storage import Storage
from regard.engine.seam_reach import Reaching
from regard.spec.errors import SpecError


class EvictedLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """A layer of a transformers cache whose keys are held by regard.

    In `with regard.use(model, eviction=...)` it hands out new keys alone, with the sizes of a mask over these: the
    attention looks up the others itself. Anywhere else it hands out all that it holds, which the model's own attention
    can read where all heads hold equally many; it then grows, and is cut back in the next such block.
    """

    is_compileable = False
    is_croppable = False
    is_sliding = False
    is_initialized = True

    def __init__(self, held: Storage) -> None:
        self.held = held

    @property
    def keys(self) -> Tensor:  # type: ignore[override]
        """(batch, kv_heads, keys, dim) of what is held. Raises `SpecError` where heads hold different numbers."""
        return self._whole()[0]

    @property
    def values(self) -> Tensor:  # type: ignore[override]
        """Likewise (batch, kv_heads, keys, value_dim)."""
        return self._whole()[1]

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Nothing: it was made of what there was."""

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """Take in new keys and values, and give what the model's attention is to be called with.

        Raises `SpecError` outside of a `use` block where heads hold different numbers, and `KernelError` where the keys
        that came before were not attended over by regard.
        """
        evicting = attended()
        if evicting is not None:
            evicting.expect()
            self.held.append(key_states, value_states)
            return key_states, value_states
        self._whole()
        self.held.forget()
        self.held.append(key_states, value_states)
        return self._whole()

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(keys, the position of the first) as if those that are handed out were the latest ones: for attention that is
        causal, and for padding, which is let go of first, that comes to the same."""
        seen = self.held.seen
        if attended() is not None:
            return query_length, seen
        count = self._whole()[0].shape[2]
        return count + query_length, seen - count

    def get_seq_length(self) -> int:
        """Tokens seen."""
        return self.held.seen

    def get_max_length(self) -> int:
        return -1

    def reorder_cache(self, beam_idx: Tensor) -> None:
        self.held.select(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        items = self._items()
        self.held.select(items.repeat_interleave(repeats))

    def batch_select_indices(self, indices: Tensor) -> None:
        self.held.select(self._items()[indices])

    def crop(self, tokens_to_remove: int) -> None:
        """Raises `SpecError`: the keys that would have stayed without the last tokens may be gone."""
        if tokens_to_remove:
            raise SpecError("a cache that is cut back cannot take tokens back (crop): what stood there before is gone")

    def offload(self) -> None:
        raise SpecError("a cache that is cut back is not offloaded: leave offloading off")

    prefetch = offload

    def reset(self) -> None:
        raise SpecError("a cache that is cut back is not emptied (reset): make a new one for a new text")

    def _items(self) -> Tensor:
        return torch.arange(self.held.batch)

    def _whole(self) -> tuple[Tensor, Tensor]:
        whole = self.held.whole
        if whole is None:
            raise outside(self.held.sizes)
        return whole


_FULL = (DynamicLayer, EvictedLayer)


@dataclass(eq=False)
class Slot:
    """A layer of a transformers cache (see `regard.engine.seam_cache.Slot`)."""

    cache: Cache
    index: int
    left: str | None = None

    @property
    def held(self) -> Storage | None:
        layer = self.cache.layers[self.index]
        return layer.held if isinstance(layer, EvictedLayer) else None

    def hold(self, held: Storage) -> None:
        self.cache.layers[self.index] = EvictedLayer(held)

    def full(self) -> list[int]:
        return [index for index, layer in enumerate(self.cache.layers) if type(layer) in _FULL]

    def every(self) -> list[Storage]:
        return [layer.held for layer in self.cache.layers if isinstance(layer, EvictedLayer)]

    def others(self) -> int:
        kept = [layer for layer in self.cache.layers if getattr(layer, "is_sliding", False)]
        tensors = [getattr(layer, name, None) for layer in kept for name in ("keys", "values")]
        return sum(tensor.untyped_storage().nbytes() for tensor in tensors if isinstance(tensor, Tensor))


def slot(reaching: Reaching) -> Slot | None:
    """The layer behind the call that is being answered, by the innermost module that was given a cache; None where none
    was. Raises `SpecError` for a cache of which nothing can be let go of."""
    frames = reaching.outer[::-1]
    given = (part for frame in frames for part in (*frame.kwargs.values(), *frame.args))
    cache = next((part for part in given if isinstance(part, Cache)), None)
    if cache is None:
        return None
    if isinstance(cache, EncoderDecoderCache):
        raise SpecError("an encoder-decoder's cache is not cut back: expected a decoder alone, such as Llama or Gemma")
    index = next((at for frame in frames if isinstance(at := getattr(frame.module, "layer_idx", None), int)), None)
    if index is None:
        raise SpecError(f"{frames[0].path}: which layer of the cache is its own cannot be told (it has no layer_idx)")
    layer = cache.layers[index]
    if getattr(layer, "is_sliding", False):
        return Slot(cache, index, left="its window lets go of what it has passed")
    if type(layer) not in _FULL or cache.layer_class_to_replicate is not None:
        raise SpecError(
            f"{frames[0].path}: a {type(layer).__name__} of a {type(cache).__name__} is not cut back: expected a cache "
            "that grows and knows its layers, DynamicCache(config=model.config), as models make it by default"
        )
    return Slot(cache, index)
