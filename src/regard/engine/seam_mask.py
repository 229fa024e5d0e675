"""The masks that models hand to their attention, read back as specs: which structure a dense tensor has."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from regard.engine.seam_described import DescribedMask, laid_out, read_description
from regard.spec.bias import Bias, TensorBias
from regard.spec.errors import MaskError
from regard.spec.mask import Mask
from regard.spec.membership import Dense
from regard.spec.positional import Causal, Window
from regard.spec.value import described as words

_ROWS = 256  # queries compared at a time: a block of 256 x 32,768 bools is 8 MiB


class Read(NamedTuple):
    """A mask tensor in the words of a spec. `query_start` is None where the tensor says nothing of positions."""

    mask: Mask | None
    biases: tuple[Bias, ...]
    query_start: int | None


class MaskReader:
    """Reads mask tensors, each once: a model hands the same one to every layer."""

    def __init__(self) -> None:
        # the tensors are kept, so that no other can come to lie in the same memory
        self._kept: list[tuple[Tensor, tuple[object, ...], Read]] = []

    def read(self, given: Tensor, shape: tuple[int, int, int, int]) -> Read:
        """`given` (4-D, True = may attend, or floats to be added), broadcast to (batch, heads, query_len, key_len).

        Raises `MaskError` where it does not broadcast to that.
        """
        if isinstance(given, DescribedMask):
            described = read_description(given)
            if described is not None and given.shape[2:] == shape[2:]:
                return Read(described.mask, (), described.query_start)
            given = laid_out(given)
        if any(size not in (1, full) for size, full in zip(given.shape, shape, strict=True)):
            raise MaskError(f"{words(given)} as a mask: expected one that broadcasts to {shape}")
        if given.is_inference():  # such a tensor does not tell whether it was changed
            return read_mask(given, shape)
        if given.requires_grad and torch.is_grad_enabled():  # each call of what is trained has a graph of its own
            return read_mask(given, shape)
        key = (given.data_ptr(), given.shape, given.stride(), given.dtype, given._version, shape)
        for _, known, found in self._kept:
            if known == key:
                return found
        found = read_mask(given.detach(), shape)
        self._kept = [*self._kept[-3:], (given, key, found)]
        return found

    def forget(self) -> None:
        """Let go of the tensors."""
        self._kept = []


def check_dtype(mask: Tensor, query: Tensor) -> None:
    """Raises `MaskError` for a mask of a dtype that torch refuses beside such a query, unless autocast may turn it."""
    fits = mask.dtype in (torch.bool, torch.float32, query.dtype)
    if not fits and not torch.is_autocast_enabled(query.device.type):
        raise MaskError(f"{words(mask)} as a mask of {query.dtype} queries: expected bool, float32, or their dtype")


def read_mask(given: Tensor, shape: tuple[int, int, int, int]) -> Read:
    """A 4-D mask tensor as a spec; exact: what is recognised forbids the same entries, what is not stays dense."""
    if given.dtype == torch.bool:
        return _boolean(given, shape)
    low = torch.finfo(given.dtype).min / 2  # models write -inf or the lowest number they have
    forbidden = given <= low
    free = bool(((given == 0) | forbidden).all())
    found = _boolean(~forbidden, shape) if bool(forbidden.any()) else Read(None, (), None)
    return found if free else found._replace(biases=(TensorBias(given.masked_fill(forbidden, 0.0)),))


def _boolean(allowed: Tensor, shape: tuple[int, int, int, int]) -> Read:
    query_len, key_len = shape[2:]
    if bool(allowed.all()):
        return Read(None, (), None)
    allowed = _narrow(allowed)
    if allowed.shape[2] == 1:  # the same for every query (or one query): padding
        return Read(Dense(allowed), (), _last(allowed) if query_len == 1 else None)
    if allowed.shape[1] > 1 or allowed.shape[3] != key_len:
        return Read(Dense(allowed), (), None)
    real = allowed.any(2)[:, 0]  # (batch, key_len): keys that some query sees; a key that none sees is padding
    for start, mask in _candidates(allowed, query_len, key_len):
        if _is(allowed, start, mask, real):
            return Read(_with_padding(mask, real, start + query_len), (), start)
    return Read(Dense(allowed), (), None)


def _candidates(allowed: Tensor, query_len: int, key_len: int) -> list[tuple[int, Causal | Window]]:
    """What the first and the last query's keys suggest: (query_start, mask), the likeliest first."""
    start = _last(allowed[:, :, -1:]) - query_len + 1
    first = _first(allowed[:, :, -1:])
    found: list[tuple[int, Causal | Window]] = [
        (start, Causal()),
        (start, Window(max(start + query_len - 1 - first, 0), 0)),
    ]
    if query_len == key_len:
        found.append((0, Window(query_len - 1 - first, max(_last(allowed[:, :, :1]), 0))))
    return found


def _narrow(allowed: Tensor) -> Tensor:
    """Axes along which a mask only repeats, cut to 1."""
    for axis in range(3):
        size, first = allowed.shape[axis], allowed.narrow(axis, 0, 1)
        if size > 1 and (allowed.stride(axis) == 0 or _repeats(allowed, first, allowed.narrow(axis, size - 1, 1))):
            allowed = first
    return allowed


def _repeats(allowed: Tensor, first: Tensor, last: Tensor) -> bool:
    return torch.equal(first, last) and bool((allowed == first).all())  # most do not, and the ends tell


def _last(row: Tensor) -> int:
    """The last key that a (batch, heads, 1, keys) row allows for any item; -1 if it allows none."""
    places = row.any(0).any(0)[0].nonzero()
    return int(places[-1]) if len(places) else -1


def _first(row: Tensor) -> int:
    """The first key that a (batch, heads, 1, keys) row allows for any item; 0 if it allows none."""
    places = row.any(0).any(0)[0].nonzero()
    return int(places[0]) if len(places) else 0


def _is(allowed: Tensor, start: int, mask: Causal | Window, real: Tensor) -> bool:
    """Whether the tensor is `mask`, with query 0 at `start`, over the keys in `real` (batch, key_len)."""
    query_len, key_len = allowed.shape[2:]
    keys = torch.arange(key_len, device=allowed.device)
    for first in range(0, query_len, _ROWS):
        rows = allowed[:, 0, first : first + _ROWS]
        positions = torch.arange(start + first, start + first + rows.shape[1], device=allowed.device)[:, None]
        expected = keys <= (positions if isinstance(mask, Causal) else positions + mask.after)
        if isinstance(mask, Window):
            expected &= keys >= positions - mask.before
        if not torch.equal(rows, expected & real[:, None]):
            return False
    return True


def _with_padding(mask: Mask, real: Tensor, seen: int) -> Mask:
    """`mask`, and only the keys in `real`; those from `seen` on are in nobody's reach anyway."""
    return mask if bool(real[:, :seen].all()) else mask & Dense(real[:, None, None])
