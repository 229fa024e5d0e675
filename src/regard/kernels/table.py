"""The kernel table: what each kernel can do, as data. The planner, the tests and the docs read it from here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from regard.kernels import additive, dense, exact, reference, streaming
from regard.kernels.cost import Cost, dense_cost, exact_cost, streaming_cost
from regard.spec.request import DTYPES, Request
from regard.spec.score import ActivatedDot, Additive, Cosine, Dot, General, ScaledDot, Score

SQUARE_LIMIT = 64 * 2**20  # bytes of query_len x key_len arrays above which a kernel must be forced

_DOT: tuple[type[Score], ...] = (Dot, ScaledDot, Cosine, General, ActivatedDot)
_ALL: tuple[type[Score], ...] = (*_DOT, Additive)


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


TABLE: tuple[Row, ...] = (
    Row(
        name="exact",
        about="torch SDPA; a mask other than top-left causal is laid out as an array",
        run=exact.run,
        cost=exact_cost,
        scores=(Dot, ScaledDot, Cosine, General, ActivatedDot),
        curved=False,
        sink=False,
        dropout=False,
        empty=False,
        gradients=True,
        bias_gradients=False,
        lse=False,
        automatic=True,
        flops_per_s=8e10,
        fixed_s=1e-5,
    ),
    Row(
        name="streaming",
        about="tiles with an online softmax; blocks that the mask rules out are skipped; linear memory",
        run=streaming.run,
        cost=streaming_cost,
        scores=_DOT,
        curved=True,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=5e10,
        fixed_s=3e-4,
    ),
    Row(
        name="additive",
        about="the additive score in tiles, never query x key x dim; linear memory",
        run=additive.run,
        cost=streaming_cost,
        scores=(Additive,),
        curved=False,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=8e9,
        fixed_s=4e-4,
    ),
    Row(
        name="dense",
        about="the whole matrix in plain torch operations; for small sizes",
        run=dense.run,
        cost=dense_cost,
        scores=_ALL,
        curved=True,
        sink=True,
        dropout=True,
        empty=True,
        gradients=True,
        bias_gradients=True,
        lse=True,
        automatic=True,
        flops_per_s=4e10,
        fixed_s=1.5e-4,
    ),
    Row(
        name="reference",
        about="NumPy in float64, formula by formula: the slow truth, only when asked for",
        run=reference.run,
        cost=dense_cost,
        scores=_ALL,
        curved=True,
        sink=True,
        dropout=False,
        empty=True,
        gradients=False,
        bias_gradients=False,
        lse=True,
        automatic=False,
        flops_per_s=1e9,
        fixed_s=1e-3,
    ),
)


def row(name: str) -> Row | None:
    """The row of that name, or None."""
    return next((found for found in TABLE if found.name == name), None)
