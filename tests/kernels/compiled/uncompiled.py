"""Copies of the compiled modules that numba has not compiled: plain Python over NumPy arrays."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

import numba

NAME = "regard.kernels.compiled"


@contextmanager
def uncompiled() -> Iterator[Callable[[str], ModuleType]]:
    """Within it, a function that imports other copies of modules by their short names; the compiled ones come back."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith(NAME)}
    for name in kept:
        del sys.modules[name]
    before, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, 1
    try:
        yield lambda name: importlib.import_module(f"{NAME}.{name}")
    finally:
        numba.config.DISABLE_JIT = before
        for name in [name for name in sys.modules if name.startswith(NAME)]:
            del sys.modules[name]
        sys.modules.update(kept)
