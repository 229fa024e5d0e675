"""By what a look at a sketched cache is computed: torch's operations, or compiled loops that do the same steps.

The first way that can take a call does. torch's operations (kernels/focus_look.py) are the plain form, on any device;
the loops (kernels/compiled) are for CPUs, and for those who have numba: `pip install 'regard[fast]'`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import torch
from torch import Tensor

from regard.kernels import focus_look
from regard.kernels.focus_look import Look


@dataclass(frozen=True)
class Way:
    name: str
    about: str
    takes: Callable[[torch.device], bool]
    looked: Callable[[Look], tuple[Tensor, Tensor]]


@cache
def _installed() -> bool:
    return find_spec("numba") is not None


def _loops(device: torch.device) -> bool:
    return device.type == "cpu" and not torch.compiler.is_compiling() and _installed()


def _looked(look: Look) -> tuple[Tensor, Tensor]:
    from regard.kernels.compiled import look as compiled  # takes a second

    return compiled.looked(look)


WAYS: tuple[Way, ...] = (
    Way("numba", "in compiled loops (numba)", _loops, _looked),
    Way("torch", "by torch's operations", lambda device: True, focus_look.looked),
)


def way(device: torch.device) -> Way:
    """The first way that takes calls on a device."""
    return next(each for each in WAYS if each.takes(device))


def looked(look: Look) -> tuple[Tensor, Tensor]:
    """(output (lanes, rows, groups, e), log2 of the sum of weights (lanes, rows, groups)), both float32."""
    return way(look.query.device).looked(look)


def told() -> str:
    """What a call on a CPU is computed by, on a line."""
    missing = "" if _installed() else "; faster with numba: pip install 'regard[fast]'"
    return way(torch.device("cpu")).about + missing
