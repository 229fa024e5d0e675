"""A mask tensor that is not there: it has a shape, a dtype and a device, and says in a spec what it holds.

Models pass it on like any mask. Whoever knows it reads the description; any other torch operation gets the true
dense tensor, which is made at that moment, once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from regard.engine.seam_cut import movable, narrowed
from regard.spec.mask import Mask
from regard.spec.place import Place

_ASKING = {
    *(getattr(Tensor, name) for name in ("size", "dim", "numel", "is_floating_point", "is_complex", "get_device")),
    *(
        getattr(Tensor, name).__get__
        for name in ("shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_cuda", "is_sparse", "is_nested")
    ),
}
_COPYING = {Tensor.contiguous, Tensor.detach, Tensor.clone}


@dataclass(eq=False)
class Description:
    """mask: what may attend where, None for everything; query 0 stands at `query_start`. write: makes the tensor.
    tell: told of the name of what could not do with the description."""

    mask: Mask | None
    query_start: int
    write: Callable[[], Tensor]
    tell: Callable[[str], None]
    whole: Description | None = None  # of which this is some of the keys
    written: Tensor | None = None
    version: int = 0  # of `written` when it was made
    parts: dict[tuple[int, int], DescribedMask] = field(default_factory=dict)

    def tensor(self, asked_by: str) -> Tensor:
        """The dense tensor, which stays: who writes into it is seen by all who read it."""
        if self.written is None:
            self.tell(asked_by)
            with torch.inference_mode(False):  # an inference tensor would not tell of changes
                self.written = self.write()
            self.version = self.written._version
        return self.written

    @property
    def changed(self) -> bool:
        """True when someone wrote into the tensor: the description is void."""
        if self.whole is not None and self.whole.changed:
            return True
        return self.written is not None and self.written._version != self.version


class DescribedMask(Tensor):
    """One element, expanded: NaN for floats and False for bools, so that a leak shows."""

    described: Description

    @staticmethod
    def of(described: Description, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> DescribedMask:
        filled = torch.full((1,) * len(shape), float("nan") if dtype.is_floating_point else 0, dtype=dtype)
        made: DescribedMask = torch.Tensor._make_subclass(DescribedMask, filled.to(device).expand(shape))
        made.described = described
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in _ASKING:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **given)
        if args and isinstance(args[0], DescribedMask):
            made = _still_described(func, args, given)
            if made is not None:
                return made
        name = getattr(func, "__name__", str(func))
        args, given = tree_map(lambda each: _laid_out(each, name), (args, given))
        return func(*args, **given)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _laid_out(self, "pickling").__reduce_ex__(protocol)


def read_description(mask: DescribedMask) -> Description | None:
    """What it says, unless someone wrote into it since."""
    described = mask.described
    return None if described.changed else described


def laid_out(mask: Tensor) -> Tensor:
    """The dense tensor of a described mask, any other as it is."""
    found: Tensor = _laid_out(mask, "reading")
    return found


def rows_of(mask: DescribedMask, rows: list[int]) -> Tensor:
    """(batch, 1, len(rows), key_len) of the dense tensor, for these queries alone."""
    described = read_description(mask)
    if described is None:
        return laid_out(mask)[:, :, rows]
    shape = (*mask.shape[:2], len(rows), mask.shape[3])
    allowed = torch.ones(shape, dtype=torch.bool, device=mask.device)
    if described.mask is not None:
        place = Place(mask.shape[0], 1, mask.shape[2], mask.shape[3], described.query_start, mask.device)
        tiles = [described.mask.tile(range(row, row + 1), place.cols, place) for row in rows]
        allowed = torch.cat([tile.expand(*shape[:2], 1, shape[3]) for tile in tiles], 2)
    if mask.dtype == torch.bool:
        return allowed
    return torch.where(allowed, 0.0, torch.finfo(mask.dtype).min).to(mask.dtype)


def _laid_out(given: Any, name: str) -> Any:
    return given.described.tensor(name) if isinstance(given, DescribedMask) else given


def _still_described(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DescribedMask | None:
    mask = args[0]
    if mask.described.changed:
        return None
    if func in _COPYING:
        return mask if func is not Tensor.clone or mask.described.written is None else None
    if func is Tensor.__getitem__:
        keys = _keys_alone(args[1], mask.shape)
        return None if keys is None else _part(mask, keys)
    return _converted(mask, args[1:], kwargs) if func is Tensor.to else None


def _keys_alone(index: Any, shape: torch.Size) -> range | None:
    """The keys that an index leaves if it takes away nothing else, such as `[..., :n]` and `[:, :, :, a:b]`."""
    parts = list(index) if isinstance(index, tuple) else [index]
    if not all(part is Ellipsis or isinstance(part, slice) for part in parts) or parts.count(Ellipsis) > 1:
        return None
    if Ellipsis not in parts:
        parts.append(Ellipsis)
    place = parts.index(Ellipsis)
    missing = len(shape) - (len(parts) - 1)
    if missing < 0:
        return None
    whole = [*parts[:place], *([slice(None)] * missing), *parts[place + 1 :]]
    kept: list[range] = [range(size)[part] for part, size in zip(whole, shape, strict=True)]
    if any(len(each) != size for each, size in zip(kept[:-1], shape[:-1], strict=True)) or kept[-1].step != 1:
        return None
    return kept[-1]


def _part(mask: DescribedMask, keys: range) -> DescribedMask | None:
    if len(keys) == mask.shape[-1]:
        return mask
    described, place = mask.described, (keys.start, keys.stop)
    if place not in described.parts:
        if not keys or not movable(described.mask):
            return None
        part = Description(
            narrowed(described.mask, keys),
            described.query_start - keys.start,
            lambda: described.tensor("slicing")[..., keys.start : keys.stop],
            lambda _: None,  # `described` tells
            described,
        )
        shape = (*mask.shape[:-1], len(keys))
        described.parts[place] = DescribedMask.of(part, shape, mask.dtype, mask.device)
    return described.parts[place]


def _converted(mask: DescribedMask, args: tuple[Any, ...], kwargs: dict[str, Any]) -> DescribedMask | None:
    """`to`, where it changes nothing."""
    try:
        device, dtype, _, _ = torch._C._nn._parse_to(*args, **kwargs)
    except (TypeError, RuntimeError):  # `to(other)`, `copy=`
        return None
    same = (device is None or device == mask.device) and (dtype is None or dtype == mask.dtype)
    return mask if same else None
