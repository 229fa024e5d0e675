"""Rows of a cache as they are, of any dtype: copied byte by byte, after all have been asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from regard.kernels.compiled import prefetch
from regard.kernels.compiled.compiler import Array, loop, stamp


@cache
def copying_loop() -> Callable[[Array, Array, Array], None]:
    """rows: bytes (L, n, width), in any layout; keys int32 (L, x), from 0 to below n; into: bytes (L, x, width)."""
    mark = stamp()

    def run(rows: Array, keys: Array, into: Array) -> None:
        mark  # noqa: B018  see `loop`
        for lane in range(len(keys)):
            for place in range(keys.shape[1]):
                prefetch.wanted(rows[lane], keys[lane, place])
        for lane in range(len(keys)):
            for place in range(keys.shape[1]):
                key = keys[lane, place]
                for x in range(rows.shape[2]):
                    into[lane, place, x] = rows[lane, key, x]

    return loop(run)
