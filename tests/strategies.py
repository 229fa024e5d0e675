"""Hypothesis strategies: any call of `attend` over the whole spec: sizes, dtypes, scores, masks and their algebra,
biases, positions. Numbers come from a drawn seed, so that an example is small to print and shrinks in its structure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from regard.spec import (
    ActivatedDot,
    Additive,
    ALiBi,
    Causal,
    Cosine,
    Dense,
    Dilated,
    Documents,
    Dot,
    General,
    Grid2D,
    Mask,
    Padding,
    Prefix,
    RelativeBias,
    Request,
    ScaledDot,
    Score,
    SinkLogits,
    Sinks,
    TensorBias,
    Window,
    request,
)

Draw = Any  # hypothesis' draw function


@dataclass(frozen=True)
class Sizes:
    """The sizes and the place of one call, and the dtypes of its inputs and of the tensors of its score and biases."""

    batch: int
    kv_heads: int
    groups: int
    queries: int
    keys: int
    dim: int
    value_dim: int
    start: int | None
    dtype: torch.dtype
    learned_dtype: torch.dtype
    seed: int

    @property
    def heads(self) -> int:
        return self.kv_heads * self.groups

    @property
    def first(self) -> int:
        """The position of the first query."""
        return self.keys - self.queries if self.start is None else self.start


@dataclass(frozen=True)
class Call:
    """The arguments of one `attend`."""

    tensors: tuple[Tensor, Tensor, Tensor]
    more: dict[str, Any]

    def asked(self) -> Request:
        return request(*self.tensors, **self.more)


@st.composite
def sizes(draw: Draw, dtype: torch.dtype, longest: int = 19) -> Sizes:
    length = st.integers(1, longest) | st.integers(0, 5)
    keys = draw(length)
    return Sizes(
        batch=draw(st.integers(1, 3) | st.just(0)),
        kv_heads=draw(st.integers(1, 2)),
        groups=draw(st.integers(1, 3)),
        queries=draw(length),
        keys=keys,
        dim=draw(st.integers(1, 7)),
        value_dim=draw(st.integers(1, 7) | st.just(0)),
        start=draw(st.none() | st.integers(-longest, 2 * longest) | st.just(0)),
        dtype=dtype,
        learned_dtype=draw(st.sampled_from([dtype, torch.promote_types(dtype, torch.float32)])),
        seed=draw(st.integers(0, 2**20)),
    )


def numbers(draw: Draw, at: Sizes, *shape: int, dtype: torch.dtype | None = None, scale: float = 1.0) -> Tensor:
    """Normal numbers from the call's seed and a drawn one; a leaf that may or may not want a gradient."""
    source = torch.Generator().manual_seed(at.seed + draw(st.integers(0, 7)))
    made = scale * torch.randn(shape, generator=source, dtype=torch.float64)
    return made.to(dtype or at.learned_dtype).requires_grad_(draw(st.booleans()))


def score(draw: Draw, at: Sizes) -> Score:
    plain = st.floats(-2, 2, allow_nan=False)
    heads = (at.heads,) if draw(st.booleans()) else ()
    kind = draw(st.sampled_from([ScaledDot, Dot, Cosine, General, Additive, ActivatedDot]))
    if kind is ScaledDot:
        return ScaledDot(draw(st.none() | plain), draw(st.none() | st.floats(0.5, 20)))
    if kind is Cosine:
        return Cosine(numbers(draw, at, at.heads) if heads else draw(plain))
    if kind is General:
        return General(numbers(draw, at, *heads, at.dim, at.dim))
    if kind is Additive:
        return Additive(numbers(draw, at, *heads, at.dim))
    if kind is ActivatedDot:
        bias = numbers(draw, at, at.heads) if draw(st.booleans()) else draw(plain)
        activation = draw(st.sampled_from(["identity", "sigmoid", "tanh", "relu"]))
        return ActivatedDot(numbers(draw, at, *heads, at.dim), bias, activation)
    return Dot()


def one_mask(draw: Draw, at: Sizes) -> Mask:
    source = torch.Generator().manual_seed(at.seed)
    count = st.integers(0, at.keys + 2)
    kinds = [Causal, Window, Sinks, Prefix, Dilated, Padding, Documents, Dense]
    if at.keys and at.first >= 0 and at.first + at.queries <= at.keys:
        kinds.append(Grid2D)
    kind = draw(st.sampled_from(kinds))
    if kind in (Window, Sinks, Prefix):
        return kind(*(draw(count) for _ in range(2 if kind is Window else 1)))
    if kind is Dilated:
        return Dilated(draw(st.integers(1, 4)), draw(count), draw(count))
    if kind is Padding:
        keys = torch.randint(at.keys + 1, (at.batch,), generator=source)
        queries = torch.randint(at.queries + 1, (at.batch,), generator=source) if draw(st.booleans()) else None
        return Padding(keys, queries)
    if kind is Documents:
        batch = (at.batch,) if draw(st.booleans()) else ()
        ids = (torch.randint(3, (*batch, n), generator=source) for n in (at.queries, at.keys))
        return Documents(*(i.sort(-1).values for i in ids) if draw(st.booleans()) else ids)
    if kind is Dense:
        full = (at.batch, at.heads, at.queries, at.keys)
        shape = tuple(n if draw(st.booleans()) else 1 for n in full)[draw(st.sampled_from([0, 2])) :]
        return Dense(torch.rand(shape, generator=source) < draw(st.sampled_from([0.2, 0.5, 0.9])))
    if kind is Grid2D:
        width = draw(st.sampled_from([w for w in range(1, at.keys + 1) if at.keys % w == 0]))
        return Grid2D(at.keys // width, width, draw(st.integers(0, 3)))
    return Causal()


def mask(draw: Draw, at: Sizes) -> Mask | None:
    """None, or up to four masks joined by & and |, each part maybe turned round."""
    made = None
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3, 4]))):
        part = one_mask(draw, at)
        part = ~part if draw(st.sampled_from([False, False, True])) else part
        joined = part if made is None else (made & part if draw(st.booleans()) else made | part)
        made = ~joined if made is not None and draw(st.sampled_from([False, False, False, True])) else joined
    return made


def bias(draw: Draw, at: Sizes) -> tuple[object, ...]:
    parts: list[object] = []
    for kind in draw(st.lists(st.sampled_from([TensorBias, ALiBi, RelativeBias, SinkLogits]), max_size=3)):
        if kind is ALiBi:
            parts.append(ALiBi(numbers(draw, at, at.heads)))
        elif kind is RelativeBias:
            parts.append(RelativeBias(numbers(draw, at, at.heads, 2 * draw(st.integers(0, 5)) + 1)))
        elif kind is SinkLogits and not any(isinstance(part, SinkLogits) for part in parts):
            parts.append(SinkLogits(numbers(draw, at, at.heads)))
        elif kind is TensorBias:
            full = (at.batch, at.heads, at.queries, at.keys)
            shape = tuple(n if draw(st.booleans()) else 1 for n in full)[draw(st.sampled_from([0, 2])) :]
            values = numbers(draw, at, *shape)
            if draw(st.booleans()):
                values = values.detach().masked_fill(values > 0.7, -torch.inf).requires_grad_(values.requires_grad)
            parts.append(TensorBias(values) if draw(st.booleans()) else values)
    return tuple(parts)


@st.composite
def calls(draw: Draw, dtype: torch.dtype, longest: int = 19) -> Call:
    """One call of `attend` that is well formed."""
    at = draw(sizes(dtype, longest))
    scale = draw(st.sampled_from([1.0, 1.0, 0.1, 4.0]))
    tensors = (
        numbers(draw, at, at.batch, at.heads, at.queries, at.dim, dtype=dtype, scale=scale),
        numbers(draw, at, at.batch, at.kv_heads, at.keys, at.dim, dtype=dtype),
        numbers(draw, at, at.batch, at.kv_heads, at.keys, at.value_dim, dtype=dtype),
    )
    more = {"score": score(draw, at), "mask": mask(draw, at), "bias": bias(draw, at), "query_start": at.start}
    return Call(tensors, more)
