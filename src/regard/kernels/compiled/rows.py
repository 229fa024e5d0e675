"""Rows of a cache as they are, in any layout whose rows are contiguous, widened to float32."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import carray, types

from regard.kernels.compiled import prefetch
from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.floats import widened_brain, widened_half
from regard.kernels.compiled.pool import pointed

KINDS = ("float32", "bfloat16", "float16", "float64")
_SIZES = (4, 2, 2, 8)  # bytes of a number
_FLOAT, _BRAIN, _HALF = range(3)
_bytes, _floats, _doubles = pointed(types.uint8), pointed(types.float32), pointed(types.float64)
_brains, _halves = pointed(types.int16), pointed(types.uint16)


class Cache(NamedTuple):
    """Keys or values (L, n, x), as whole numbers: a thread is handed nothing else."""

    address: int
    kind: int  # which of KINDS
    lane: int  # numbers from a lane's first row to the next lane's
    row: int  # numbers from a row to the next one
    size: int  # x


@step
def copied(cache: Cache, lane: int, keys: Array, into: Array) -> None:
    """The rows of some keys, into float32 (as many, x). They lie scattered: all are asked for first."""
    first = lane * cache.lane
    for place in range(len(keys)):
        _wanted(cache, first + keys[place] * cache.row)
    for place in range(len(keys)):
        _widened(cache, first + keys[place] * cache.row, into[place])


@step
def behind(cache: Cache, lane: int, start: int, into: Array) -> None:
    """The rows from key `start` on, into float32 (as many, x)."""
    for place in range(len(into)):
        _widened(cache, lane * cache.lane + (start + place) * cache.row, into[place])


@step
def _wanted(cache: Cache, number: int) -> None:
    """The row that begins with a number of the cache will be read soon."""
    size = _SIZES[cache.kind]
    row = carray(_bytes(cache.address + number * size), (1, cache.size * size))
    prefetch.wanted(row, 0)


@step
def _widened(cache: Cache, number: int, into: Array) -> None:
    size, at = cache.size, cache.address + number * _SIZES[cache.kind]
    if cache.kind == _FLOAT:
        floats = carray(_floats(at), (size,))
        for x in range(size):
            into[x] = floats[x]
    elif cache.kind == _BRAIN:
        brains = carray(_brains(at), (size,))
        for x in range(size):
            into[x] = widened_brain(brains[x])
    elif cache.kind == _HALF:
        halves = carray(_halves(at), (size,))
        for x in range(size):
            into[x] = widened_half(halves[x])
    else:
        doubles = carray(_doubles(at), (size,))
        for x in range(size):
            into[x] = np.float32(doubles[x])
