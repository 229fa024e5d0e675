"""Named scores, masks and biases over one set of odd sizes: the grid that every kernel is held against.

All sizes are distinct primes but heads, which must be a multiple of kv_heads; so no axis can stand in for another.
"""

from __future__ import annotations

import torch
from torch import Tensor

from regard.kernels.table import GENERAL
from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Bias,
    Causal,
    Cosine,
    Dense,
    Dilated,
    Documents,
    Dot,
    General,
    Mask,
    Padding,
    Prefix,
    RelativeBias,
    Request,
    ScaledDot,
    Score,
    SinkLogits,
    Sinks,
    Window,
    request,
)
from regard.spec.request import DTYPES

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM, VALUE_DIM = 2, 6, 3, 7, 13, 5, 11
TABLE = GENERAL  # the special kernels have suites of their own
ROWS = {row.name: row for row in TABLE}
NAMES = {dtype: str(dtype)[6:] for dtype in DTYPES}


def floats(*shape: int, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal numbers, a leaf that wants a gradient."""
    made = torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return made.to(dtype).requires_grad_()


def ints(high: int, *shape: int, seed: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(seed))


def scores(dtype: torch.dtype) -> dict[str, Score]:
    vector, per_head = floats(DIM, seed=11, dtype=dtype), floats(HEADS, DIM, seed=12, dtype=dtype)
    one_a_head = floats(HEADS, seed=13, dtype=dtype)
    return {
        "dot": Dot(),
        "scaled": ScaledDot(),
        "scaled by -.3": ScaledDot(-0.3),
        "softcap": ScaledDot(softcap=1.5),
        "cosine": Cosine(4.0),
        "cosine a head": Cosine(one_a_head),
        "general": General(floats(DIM, DIM, seed=14, dtype=dtype)),
        "general a head": General(floats(HEADS, DIM, DIM, seed=15, dtype=dtype)),
        "additive": Additive(vector),
        "additive a head": Additive(per_head),
        "sigmoid": ActivatedDot(vector, 0.5),
        "tanh a head": ActivatedDot(per_head, one_a_head, "tanh"),
        "relu": ActivatedDot(vector, activation="relu"),
        "straight": ActivatedDot(per_head, one_a_head, "identity"),
    }


def masks() -> dict[str, Mask | None]:
    lengths = torch.tensor([13, 4])
    documents = Documents(ints(3, BATCH, QUERIES, seed=21), ints(4, BATCH, KEYS, seed=22))
    return {
        "no mask": None,
        "causal": Causal(),
        "causal from 0": Causal(),
        "sinks and window": Sinks(2) | Window(3, 1),
        "prefix": Prefix(3),
        "padded keys": Padding(torch.tensor([0, 11])),
        "padded keys and queries": Padding(lengths, torch.tensor([2, 7])),
        "documents": documents,
        "dilated": Dilated(3, 7, 2),
        "dense": Dense(ints(2, BATCH, HEADS, QUERIES, KEYS, seed=23) > 0),
        "thin dense": Dense(ints(2, 1, KEYS, seed=24) > 0),
        "causal but not near": Causal() & ~Window(2, 2),
        "not documents, or padded causal": ~documents | (Causal() & Padding(lengths)),
        "nothing": ~Prefix(99),
    }


def biases(dtype: torch.dtype) -> dict[str, tuple[Bias | Tensor, ...]]:
    slopes = ALiBi.for_heads(HEADS)
    sink = SinkLogits(floats(HEADS, seed=31, dtype=dtype))
    with torch.no_grad():
        cut = floats(QUERIES, KEYS, seed=36, dtype=dtype).detach()
        cut[cut > 0.5], cut[2] = -torch.inf, -torch.inf
    return {
        "no bias": (),
        "tensor": (floats(BATCH, HEADS, QUERIES, KEYS, seed=32, dtype=dtype),),
        "tensor of a key": (floats(1, HEADS, 1, KEYS, seed=33, dtype=dtype).detach(),),
        "float mask": (cut,),
        "alibi": (slopes,),
        "learned alibi": (ALiBi(floats(HEADS, seed=37, dtype=dtype)),),
        "relative": (RelativeBias(floats(HEADS, 9, seed=34, dtype=dtype)),),
        "sink": (sink,),
        "all at once": (slopes, floats(QUERIES, 1, seed=35, dtype=dtype), sink),
    }


def inputs(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    return (
        floats(BATCH, HEADS, QUERIES, DIM, seed=1, dtype=dtype),
        floats(BATCH, KV_HEADS, KEYS, DIM, seed=2, dtype=dtype),
        floats(BATCH, KV_HEADS, KEYS, VALUE_DIM, seed=3, dtype=dtype),
    )


def asked(
    score: str = "scaled", mask: str = "no mask", bias: str = "no bias", dtype: torch.dtype = torch.float64
) -> Request:
    """One cell of the grid; the last query sits on the last key, save where the mask's name says otherwise."""
    start = 0 if mask == "causal from 0" else None
    more = {"score": scores(dtype)[score], "mask": masks()[mask], "bias": biases(dtype)[bias]}
    return request(*inputs(dtype), **more, query_start=start)  # type: ignore[arg-type]
