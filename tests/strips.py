"""Calls cut into many strips: sizes made small, the calls that every kernel of strips is held to, and who did the work.

29 queries, the last of them on the last of 47 keys; 4 query heads, 2 of them to a key head; in strips of at most 8
queries, and tiles of about 6 keys.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
import torch
from tests.comparison import Truth, truth
from torch import Tensor

from regard.kernels import layout, online, tiled
from regard.spec import (
    ALiBi,
    Causal,
    Dense,
    Dilated,
    Documents,
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

BATCH, HEADS, KV_HEADS, QUERIES, KEYS, DIM, VALUE_DIM = 2, 4, 2, 29, 47, 5, 3
STARTS = [None, 0, -11, 60]
_STRIPS = layout.strips


@contextmanager
def small_strips(height: int = 8, grain: int = 4, width: int = 6) -> Iterator[None]:
    """Strips of at most `height` queries whatever a kernel asks for, in blocks of `grain` and tiles of about `width`
    keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRAIN", "COARSE"):
            patch.setattr(layout, name, grain)
        patch.setattr(layout, "RUNG", 1)
        patch.setattr(layout, "strips", lambda request, asked: _STRIPS(request, min(asked, height)))
        patch.setattr(layout, "RUNG", 1)
        patch.setattr(tiled, "WIDTH", width)
        patch.setattr(tiled, "FILL_ROWS", 4)
        patch.setattr(tiled, "FILL_COLS", 8)
        forget()
        yield
    forget()


def forget() -> None:
    """What was found out about masks with other constants."""
    layout._kept.cache_clear()
    layout._reach.cache_clear()
    layout._work.cache_clear()


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """How often each way through `streaming` is gone: by call (forward, backward, careful), by strip (the others)."""
    found: Counter[str] = Counter()
    ways = {
        "forward": (tiled, "forward"),
        "backward": (tiled, "backward"),
        "careful": (online, "attend"),
        "bounded": (tiled, "_bounded_strip"),
        "shifted": (tiled, "_shifted_strip"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, (owner, attribute) in ways.items():
            patch.setattr(owner, attribute, _counting(found, name, getattr(owner, attribute)))
        yield found


def _counting(found: Counter[str], name: str, original: Any) -> Any:
    def call(*args: Any) -> Any:
        found[name] += 1
        return original(*args)

    return call


def ints(high: int, *shape: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(7))


def masks() -> dict[str, Mask | None]:
    ids = ints(3, BATCH, KEYS).sort(-1).values
    return {
        "no mask": None,
        "causal": Causal(),
        "window": Window(9, 0),
        "window ahead": Window(2, 5),
        "sinks and window": Sinks(5) | Window(6, 0),
        "prefix": Causal() | Prefix(11),
        "padding": Padding(torch.tensor([31, 47]), torch.tensor([29, 6])),
        "packed": Documents.packed([3, 12, 14], [10, 20, 17]) & Causal(),
        "documents of each item": Documents(ids[:, -QUERIES:], ids),
        "unsorted documents": Documents(ints(4, QUERIES), ints(5, KEYS) - 1),
        "dilated": Dilated(3, 20, 2),
        "dense": Dense(ints(10, BATCH, HEADS, QUERIES, KEYS) > 6),
        "dense of a head": Dense(ints(10, 1, HEADS, QUERIES, KEYS) > 6),
        "thin dense": Dense(ints(10, BATCH, 1, 1, KEYS) > 3),
        "holes": ~(Window(8, 8) | Prefix(3)) & Causal(),
        "the last key alone": ~Prefix(KEYS - 1),
        "holed window": Window(9, 0) & Dense(ints(10, QUERIES, KEYS) > 3),
        "nothing": Prefix(0),
    }


def biases(dtype: torch.dtype) -> dict[str, tuple[object, ...]]:
    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)

    cut = normal(QUERIES, KEYS)
    cut[cut > 0.8], cut[3] = -torch.inf, -torch.inf
    return {
        "no bias": (),
        "alibi and relative": (ALiBi.for_heads(HEADS), RelativeBias(normal(HEADS, 21))),
        "float mask": (cut,),
        "items apart": (normal(BATCH, 1, QUERIES, KEYS),),
        "sink": (SinkLogits(normal(HEADS).requires_grad_()),),
        "all at once": (ALiBi.for_heads(HEADS), cut, SinkLogits(normal(HEADS).requires_grad_())),
    }


def inputs(dtype: torch.dtype, size: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """Leaves; `size` multiplies the queries."""
    source = torch.Generator().manual_seed(1)
    shapes = ((BATCH, HEADS, QUERIES, DIM), (BATCH, KV_HEADS, KEYS, DIM), (BATCH, KV_HEADS, KEYS, VALUE_DIM))
    q, k, v = (torch.randn(s, generator=source, dtype=torch.float64) for s in shapes)
    q, k, v = ((size * q).to(dtype), k.to(dtype), v.to(dtype))
    return q.requires_grad_(), k.requires_grad_(), v.requires_grad_()


def asked(
    mask: str = "no mask",
    bias: str = "no bias",
    dtype: torch.dtype = torch.float64,
    *,
    start: int | None = None,
    score: Score | None = None,
    size: float = 1.0,
) -> Request:
    more = {"mask": masks()[mask], "bias": biases(dtype)[bias], "score": score or ScaledDot()}
    return request(*inputs(dtype, size), query_start=start, **more)  # type: ignore[arg-type]


@cache
def call(mask: str, bias: str, dtype: torch.dtype, start: int | None) -> tuple[Request, Truth]:
    """`asked` and its truth: made once, for all kernels."""
    made = asked(mask, bias, dtype, start=start)
    return made, truth(made)
