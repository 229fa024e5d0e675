"""How loops are compiled: what numba is asked for, and where it keeps the result."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy.typing as npt
from numba import types

Array = npt.NDArray[Any]
F = TypeVar("F", bound=Callable[..., Any])

# Sums may be taken in any order. Nothing is said of NaN and infinity: -inf stands for what a mask forbids.
SUMS = {"reassoc", "contract", "nsz"}
_FOLDER = Path(__file__).parent


def step(function: F) -> F:
    """A part of a loop: compiled with the loop that calls it."""
    made: F = numba.njit(nogil=True, fastmath=SUMS, error_model="numpy")(function)
    return made


def loop(function: F) -> F:
    """What Python calls. Compiled when first called, and kept: beside this file, where that cannot be written in the
    user's cache folder (NUMBA_CACHE_DIR says where else), and where neither can, for this process alone.

    `function` must hold `stamp()` in its closure: numba does not see when a step in another file has changed.
    """
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        kept: F = numba.njit(**settings, cache=True)(function)
    except RuntimeError:  # "no locator available": nothing can be written
        kept = numba.njit(**settings)(function)
    return kept


def entry(function: F) -> Any:
    """What other threads call: void (int64 *), compiled and kept as by `loop`; as it is where nothing is compiled."""
    if numba.config.DISABLE_JIT:
        return function
    signature, settings = types.void(types.CPointer(types.int64)), {"error_model": "numpy"}
    try:
        return numba.cfunc(signature, cache=True, **settings)(function)
    except RuntimeError:  # as above
        return numba.cfunc(signature, **settings)(function)


def stamp() -> str:
    """Of the sources of all steps."""
    sources = b"".join(path.read_bytes() for path in sorted(_FOLDER.glob("*.py")))
    return hashlib.sha256(sources).hexdigest()[:16]
