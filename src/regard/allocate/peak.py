"""The most memory that a call needed beyond what was held before it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def extra_bytes(call: Callable[[], T]) -> tuple[T, int | None]:
    """(what the call gives, bytes), None where the system does not tell (Linux does: VmHWM after `5` into clear_refs).

    Memory that was freed before and not given back hides a part of it, so that is asked for back first.
    """
    gc.collect()
    _give_back()
    try:
        _CLEAR.write_text("5")
        before = _status("VmRSS")
    except (OSError, StopIteration):
        return call(), None
    made = call()
    return made, max(0, _status("VmHWM") - before)


def _status(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) * 1024


def _give_back() -> None:
    """glibc's way of returning freed memory to the system; other libraries have none."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):
        return
