"""One row of the kernel table: what a kernel can do, as data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels.cost import Cost
from regard.spec.policy import Focus, Policy
from regard.spec.request import DTYPES, Request
from regard.spec.score import ActivatedDot, Additive, Cosine, Dot, General, ScaledDot, Score

DOT: tuple[type[Score], ...] = (Dot, ScaledDot, Cosine, General, ActivatedDot)
ALL: tuple[type[Score], ...] = (*DOT, Additive)


def _anything(request: Request) -> str | None:
    """For rows whose columns say all there is to say."""


@dataclass(frozen=True)
class Row:
    """One kernel. `flops_per_s` and `fixed_s` are a 2-core x86 machine's, for ordering the rows, not for promises."""

    name: str
    about: str
    run: Callable[[Request], tuple[Tensor, Tensor | None]]
    cost: Callable[[Request], Cost]
    scores: tuple[type[Score], ...]
    curved: bool  # softcap and activations
    sink: bool
    dropout: bool
    empty: bool  # length 0 somewhere
    gradients: bool
    bias_gradients: bool
    lse: bool  # returns the lse with the output
    automatic: bool  # may be chosen without being asked for
    flops_per_s: float
    fixed_s: float
    dtypes: tuple[torch.dtype, ...] = DTYPES
    devices: tuple[str, ...] = ("cpu", "cuda")
    fits: Callable[[Request], str | None] = _anything  # why not, for what no column says
    policies: tuple[type[Policy], ...] = (Focus,)  # of a budget; who reads everything does more than Focus is asked for
    compiles: bool = False  # when it is first called for a dtype, which takes seconds
    whole: bool = True  # every key is weighed by its own score
    draws: bool = False  # its operations can be drawn as a graph, whatever the sizes: it is for that alone
    shown: Callable[..., None] | None = None  # where not: shows tallies the weights that there are, as focus_shown.run
