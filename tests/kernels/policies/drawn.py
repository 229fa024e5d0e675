"""Hypothesis strategies: any call of the dot family, and any policy but Focus, made for that call."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import strategies as st
from tests import strategies

from regard.kernels import reference
from regard.spec import (
    Additive,
    Budget,
    HeavyHitters,
    LargestComponents,
    LargeValues,
    LowBits,
    LowRankKeys,
    MeanBlocks,
    MinMaxBlocks,
    ObservedWindow,
    PerfectBlocks,
    PerfectKeys,
    Policy,
    RandomKeys,
    Request,
    SmallKeys,
    WindowSinks,
)

Draw = Any
DROPPERS = (
    WindowSinks,
    MinMaxBlocks,
    MeanBlocks,
    HeavyHitters,
    ObservedWindow,
    LowRankKeys,
    SmallKeys,
    LargeValues,
    RandomKeys,
    PerfectBlocks,
    PerfectKeys,
)
KINDS = (*DROPPERS, LargestComponents, LowBits)


@st.composite
def requests(draw: Draw, dtype: torch.dtype = torch.float64) -> Request:
    call = draw(strategies.calls(dtype).filter(lambda call: not isinstance(call.more["score"], Additive)))
    asked: Request = call.asked()
    return asked


@st.composite
def policies(draw: Draw, request: Request, kinds: tuple[type[Policy], ...] = KINDS) -> Policy:
    kind = draw(st.sampled_from(kinds))
    small, share = st.integers(1, 9), st.sampled_from([0.0, 0.25, 0.5, 1.0])
    if kind in (HeavyHitters, ObservedWindow):
        source = torch.Generator().manual_seed(draw(st.integers(0, 99)))
        received = torch.rand(request.key.shape[:3], generator=source)
        if kind is HeavyHitters:
            return HeavyHitters(draw(share), received)
        return ObservedWindow(draw(small), draw(small), received)
    if kind in (MinMaxBlocks, MeanBlocks, PerfectBlocks, LowRankKeys, LargestComponents):
        return kind(draw(small))
    if kind is LowBits:
        return LowBits(draw(small), draw(st.integers(0, 5)))
    if kind in (SmallKeys, LargeValues):
        return kind(draw(share))
    if kind in (WindowSinks, RandomKeys):
        return kind(draw(st.integers(0, 9)))
    return PerfectKeys()


@st.composite
def budgets(draw: Draw, policy: Policy) -> Budget:
    if draw(st.booleans()):
        return Budget(keys=draw(st.integers(1, 20)), policy=policy)
    return Budget(fraction=draw(st.floats(0.01, 1.0)), policy=policy)


def seen(request: Request) -> torch.Tensor:
    """bool (batch, kv_heads, query_len, key_len): what some head of a group may see."""
    allowed = torch.from_numpy(reference.steps(request).allowed)
    batch, heads = allowed.shape[:2]
    return allowed.view(batch, request.key.shape[1], heads // request.key.shape[1], *allowed.shape[2:]).any(2)


def one(kind: type[Policy], request: Request) -> Policy:
    """A policy of this kind that fits the request, of small sizes."""
    fields = kind.__dataclass_fields__  # type: ignore[attr-defined]
    more: dict[str, Any] = {"received": torch.rand(request.key.shape[:3])} if "received" in fields else {}
    more |= {"rank": 2} if "rank" in fields else {}
    return LowBits(8, 4) if kind is LowBits else kind(**more)
