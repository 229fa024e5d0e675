"""torch's own threads, at work on compiled loops: a second pool would want the same cores.

They are reached where torch's OpenMP runtime has GNU's entry (GOMP_parallel; LLVM's and Intel's have it as well, on
Linux). Elsewhere there is one thread.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from typing import Any

import numba
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

Words = Any  # a ctypes array of int64
_PROCESS = os.getpid()
_PLAIN = {"float32": ctypes.c_float, "float64": ctypes.c_double}  # of whole numbers ctypes has the same names


@cache
def _parallel() -> Any:
    """void (void (*)(void *), void *, unsigned threads, unsigned flags), or None."""
    try:
        found = ctypes.CDLL(torch._C.__file__).GOMP_parallel  # looked for in what torch itself is linked to
    except (AttributeError, OSError, TypeError):
        return None
    found.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    found.restype = None
    return found


def workers() -> int:
    """How many threads there are for one call: one in a fork, where those of its parent are missed for ever."""
    return 1 if _parallel() is None or os.getpid() != _PROCESS else torch.get_num_threads()


def at_work(function: Any, words: Words, threads: int) -> None:
    """Let so many threads call the same entry (compiler.py) with the same words, and wait for all."""
    if not hasattr(function, "address"):  # nothing was compiled
        function(ctypes.cast(words, ctypes.POINTER(ctypes.c_int64)))
    elif threads > 1:
        _parallel()(function.address, ctypes.addressof(words), threads, 0)
    else:
        function.ctypes(words)


def _pointed(kind: Any) -> Any:
    def typed(context: Any, address: Any) -> Any:
        """The numbers of a kind at an address."""

        def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            return builder.inttoptr(given[0], context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64), built

    return typed


def _plain_pointed(kind: Any) -> Any:
    stored = _PLAIN.get(kind.name) or getattr(ctypes, f"c_{kind.name}")
    # of nothing the address is 0, which NumPy does not take
    return lambda address: ctypes.cast(int(address) or 1, ctypes.POINTER(stored))


def pointed(kind: Any) -> Any:
    """A function from an address to a pointer to numbers of a numba type."""
    return _plain_pointed(kind) if numba.config.DISABLE_JIT else intrinsic(_pointed(kind))


def _taken(context: Any, address: Any) -> Any:
    """The int64 at an address, raised by one afterwards: no two threads get the same."""

    def built(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        whole = ir.IntType(64)
        return builder.atomic_rmw("add", builder.inttoptr(given[0], whole.as_pointer()), whole(1), "monotonic")

    return types.int64(types.int64), built


def _plain_taken(address: int) -> int:
    count = ctypes.c_int64.from_address(int(address))
    count.value += 1
    return count.value - 1


taken = _plain_taken if numba.config.DISABLE_JIT else intrinsic(_taken)
