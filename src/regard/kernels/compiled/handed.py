"""Arrays handed to torch's threads (pool.py), who take one address: an int64 table of addresses and sizes."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

from numba import carray
from torch import Tensor

from regard.kernels.compiled.compiler import Array, step
from regard.kernels.compiled.pool import pointed

AXES = 4
WIDTH = 1 + AXES  # words of an array: its address, then its sizes
_FILL = tuple((1,) * (AXES - axes) for axes in range(AXES + 1))


def words(tensors: Sequence[Tensor]) -> list[int]:
    """Of each tensor, whose numbers follow each other, what `reading` needs."""
    found = list[int]()
    for tensor in tensors:
        assert tensor.is_contiguous()
        found += (tensor.data_ptr(), *tensor.shape, *_FILL[tensor.dim()])
    return found


def handed(numbers: Sequence[int]) -> Any:
    """The table of words."""
    return (ctypes.c_int64 * len(numbers))(*numbers)


def reading(kind: Any, axes: int) -> Callable[[Array, int], Array]:
    """A step that gives the array whose words begin at a place of the table."""
    at = pointed(kind)

    def one(words: Array, place: int) -> Array:
        return carray(at(words[place]), (words[place + 1],))  # type: ignore[no-any-return]

    def two(words: Array, place: int) -> Array:
        return carray(at(words[place]), (words[place + 1], words[place + 2]))  # type: ignore[no-any-return]

    def three(words: Array, place: int) -> Array:
        sizes = (words[place + 1], words[place + 2], words[place + 3])
        return carray(at(words[place]), sizes)  # type: ignore[no-any-return]

    def four(words: Array, place: int) -> Array:
        sizes = (words[place + 1], words[place + 2], words[place + 3], words[place + 4])
        return carray(at(words[place]), sizes)  # type: ignore[no-any-return]

    return step((one, two, three, four)[axes - 1])
