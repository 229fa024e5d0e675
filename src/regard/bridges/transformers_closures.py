"""The closures that transformers puts its mask functions together from, recognised by their code and read as specs."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType
from typing import Any

import torch
from torch import Tensor

from regard.spec.mask import Mask
from regard.spec.membership import Dense, Documents
from regard.spec.place import Place
from regard.spec.positional import Causal, Window

_INFINITE = float("inf")


@dataclass(frozen=True)
class Sizes:
    """What a mask is asked for. The library counts queries from `query_offset` and keys from `key_start`; in a spec
    the first key is at 0, and the first query at `start`."""

    batch: int
    query_len: int
    key_len: int
    query_offset: int
    key_start: int
    device: torch.device

    @classmethod
    def of(cls, given: dict[str, Any]) -> Sizes | None:
        """From what the library's mask functions take: lengths and offsets, or, in its first releases of version 5, the
        position of each query. None where it is asked in words that are not known."""
        positions = given.get("cache_position")
        if isinstance(positions, Tensor) and positions.dim() == 1 and len(positions):
            if bool((positions.diff() != 1).any()):
                return None
            given = {"device": positions.device, **given, "q_length": len(positions), "q_offset": positions[0]}
        if not given.keys() >= {"batch_size", "q_length", "kv_length", "mask_function"}:
            return None
        batch, query_len, key_len = (int(given[name]) for name in ("batch_size", "q_length", "kv_length"))
        query_offset, key_start = (int(given.get(name, 0)) for name in ("q_offset", "kv_offset"))
        return cls(batch, query_len, key_len, query_offset, key_start, torch.device(given.get("device", "cpu")))

    @property
    def start(self) -> int:
        return self.query_offset - self.key_start

    @property
    def place(self) -> Place:
        return Place(self.batch, 1, self.query_len, self.key_len, self.start, self.device)


@dataclass(frozen=True, eq=False)
class Part:
    """low <= key - position <= high, and `rest`."""

    low: float = -_INFINITE
    high: float = _INFINITE
    rest: Mask | None = None
    far: int = 0  # a distance beyond every key, for a window that is open on one side
    jumps: Tensor | None = None  # (batch, keys - 1), True where positions start anew: needs `seams` there
    seams: Tensor | None = None  # (batch, keys - 1), True where one document ends and another begins

    @property
    def mask(self) -> Mask | None:
        """None where everything is allowed."""
        near = self._near()
        if near is None or self.rest is None:
            return self.rest if near is None else near
        return near & self.rest

    def both(self, other: Part) -> Part:
        rest = other.rest if self.rest is None else self.rest if other.rest is None else self.rest & other.rest
        return Part(
            max(self.low, other.low),
            min(self.high, other.high),
            rest,
            max(self.far, other.far),
            other.jumps if self.jumps is None else self.jumps,
            other.seams if self.seams is None else self.seams,
        )

    def settled(self) -> Part | None:
        """Without `jumps`, each of which must be at the seam of two documents: else None."""
        if self.jumps is None:
            return self
        if self.seams is None or bool((self.jumps & ~self.seams).any()):
            return None
        return replace(self, jumps=None)

    def _near(self) -> Mask | None:
        if self.low == -_INFINITE and self.high == _INFINITE:
            return None
        if self.low == -_INFINITE and self.high == 0:
            return Causal()
        before = self.far if self.low == -_INFINITE else -int(self.low)
        return Window(before, self.far if self.high == _INFINITE else int(self.high))


def spec_of(function: Callable[..., Any], sizes: Sizes) -> Part | None:
    """A mask function as a spec; None if any part of it is not the library's own."""
    found = _read(function, sizes)
    return None if found is None else found.settled()


def _read(function: Callable[..., Any], sizes: Sizes) -> Part | None:
    reader = _table().get(getattr(function, "__code__", None))  # type: ignore[arg-type]
    return None if reader is None else reader(_held(function), sizes)


Held = dict[str, Any]
Reader = Callable[[Held, Sizes], "Part | None"]


def _held(function: Callable[..., Any]) -> Held:
    """The values that a closure holds, by name."""
    cells: tuple[Any, ...] = getattr(function, "__closure__", None) or ()
    return dict(zip(function.__code__.co_freevars, (cell.cell_contents for cell in cells), strict=True))


@functools.lru_cache(maxsize=1)
def _table() -> dict[CodeType, Reader]:
    """The code of each closure, from one made for the purpose, and how it is read."""
    library: Any = sys.modules["transformers.masking_utils"]
    one, plain = torch.zeros(1, 1, dtype=torch.long), library.causal_mask_function
    makers: dict[str, tuple[tuple[Any, ...], Reader]] = {
        "and_masks": ((plain,), _and),
        "or_masks": ((plain,), _or),
        "sliding_window_overlay": ((1,), _sliding),
        "sliding_window_bidirectional_overlay": ((1,), _sliding_both),
        "chunked_overlay": ((1, one), _chunked),
        "blockwise_overlay": ((one,), _blockwise),
        "padding_mask_function": ((one,), _padded),
        "packed_sequence_mask_function": ((one,), _packed),
        "remap_positions_for_packed_sequence": ((plain, one), _remapped),
    }
    found: dict[CodeType, Reader] = {plain.__code__: lambda held, sizes: Part(high=0)}
    if hasattr(library, "bidirectional_mask_function"):
        found[library.bidirectional_mask_function.__code__] = lambda held, sizes: Part()
    for name, (arguments, read) in makers.items():
        if hasattr(library, name):
            found[getattr(library, name)(*arguments).__code__] = read
    return found


def _and(held: Held, sizes: Sizes) -> Part | None:
    parts = [_read(each, sizes) for each in held["mask_functions"]]
    found = Part()
    for part in parts:
        if part is None:
            return None
        found = found.both(part)
    return found.settled()


def _or(held: Held, sizes: Sizes) -> Part | None:
    parts = [_read(each, sizes) for each in held["mask_functions"]]
    found: Mask | None = None
    for part in parts:
        if part is None or part.jumps is not None:
            return None
        if part.mask is None:
            return Part()
        found = part.mask if found is None else found | part.mask
    return Part(rest=found)


def _far(sizes: Sizes) -> int:
    return sizes.query_len + sizes.key_len + abs(sizes.start)


def _sliding(held: Held, sizes: Sizes) -> Part | None:
    window = held["sliding_window"]
    return Part(low=1 - window, far=_far(sizes)) if isinstance(window, int) and window > 0 else None


def _sliding_both(held: Held, sizes: Sizes) -> Part | None:
    window = held["sliding_window"]
    return Part(low=-window, high=window) if isinstance(window, int) and window >= 0 else None


def _chunked(held: Held, sizes: Sizes) -> Part:
    """Keys of the query's own chunk; chunks are counted from each item's first token."""
    first, size = held["left_padding"].to(sizes.device).reshape(-1, 1), held["chunk_size"]
    if not bool(first.any()):
        first = first[:1]
    return Part(rest=Documents((_queries(sizes) - first) // size, (_keys(sizes) - first) // size))


def _blockwise(held: Held, sizes: Sizes) -> Part:
    """Tokens of one group see each other; those of group -1 see nobody by it."""
    ids = held["block_sequence_ids"].to(sizes.device, torch.long)
    queries, keys = ids[:, _queries(sizes)], ids[:, _keys(sizes)]
    return Part(rest=Documents(torch.where(queries < 0, -1, queries), torch.where(keys < 0, -2, keys)))


def _padded(held: Held, sizes: Sizes) -> Part:
    return Part(rest=Dense(held["padding_mask"].to(sizes.device, torch.bool)[:, None, None, _keys(sizes)]))


def _packed(held: Held, sizes: Sizes) -> Part:
    ids = held["packed_sequence_mask"].to(sizes.device, torch.long)
    # ids that come back later would be one document of two parts
    seams = ids.diff(dim=-1) > 0 if bool((ids.diff(dim=-1) >= 0).all()) else None
    return Part(rest=Documents(ids[:, _queries(sizes)], ids[:, _keys(sizes)]), seams=seams)


def _remapped(held: Held, sizes: Sizes) -> Part | None:
    """Positions that start anew with each document: within one, distances are what they were."""
    inner = _read(held["mask_function"], sizes)
    if inner is None or inner.rest is not None:
        return None
    positions: Tensor = held["position_ids"].to(sizes.device)
    return replace(inner, jumps=positions.diff(dim=-1) != 1)


def _queries(sizes: Sizes) -> Tensor:
    return torch.arange(sizes.query_offset, sizes.query_offset + sizes.query_len, device=sizes.device)


def _keys(sizes: Sizes) -> Tensor:
    return torch.arange(sizes.key_start, sizes.key_start + sizes.key_len, device=sizes.device)
