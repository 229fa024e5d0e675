"""Masks and biases of one call, three times over: as `attend` takes them, as a good user writes them for SDPA, and as
their definition says for the truth. One row a kind, in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

import regard
from benchmarks.inputs import Shape
from benchmarks.strips import Formula

WINDOW, SINKS, STEP = 256, 4, 4


@dataclass(frozen=True, kw_only=True)
class Structure:
    """`allowed(positions (n, 1), keys (m,))` is the definition, None for all; it may answer (batch, 1, n, m)."""

    shape: Shape
    mask: regard.Mask | None
    allowed: Callable[[Tensor, Tensor], Tensor] | None
    bias: regard.Bias | None = None
    slopes: Tensor | None = None  # (heads,) of an ALiBi bias
    is_causal: bool = False  # SDPA's own flag says it all
    over_keys: Tensor | None = None  # (batch, 1, 1, keys) bool: a mask that needs no queries says it all

    @property
    def asked(self) -> dict[str, object]:
        """The keywords of `attend`."""
        return {name: given for name, given in (("mask", self.mask), ("bias", self.bias)) if given is not None}

    @property
    def formula(self) -> Formula:
        return Formula(
            allowed=None if self.allowed is None else self._allowed,
            bias=None if self.slopes is None else self._far,
        )

    def dense(self, dtype: torch.dtype) -> Tensor | None:
        """What SDPA takes as `attn_mask`, lying ready: bool, or the bias with -inf; None where a flag says it."""
        if self.allowed is None or self.is_causal:
            return None
        if self.over_keys is not None:
            return self.over_keys
        allowed = self._allowed(range(self.shape.queries))
        return allowed if self.slopes is None else self._with_bias(allowed).to(dtype)

    def added(self, dtype: torch.dtype) -> Tensor | None:
        """The same as numbers to add to the scores, for eager attention: 0 and -inf, or the bias and -inf."""
        if self.allowed is None:
            return None
        allowed = self.over_keys if self.over_keys is not None else self._allowed(range(self.shape.queries))
        made = self._with_bias(allowed) if self.slopes is not None else torch.zeros(allowed.shape)
        return made.masked_fill(~allowed, -torch.inf).to(dtype)

    def _places(self, rows: range) -> tuple[Tensor, Tensor]:
        start = self.shape.keys - self.shape.queries
        return torch.arange(rows.start, rows.stop)[:, None] + start, torch.arange(self.shape.keys)

    def _allowed(self, rows: range) -> Tensor:
        assert self.allowed is not None
        return self.allowed(*self._places(rows))

    def _far(self, rows: range) -> Tensor:
        assert self.slopes is not None
        places, keys = self._places(rows)
        return -self.slopes[:, None, None] * (places - keys).abs()

    def _with_bias(self, allowed: Tensor) -> Tensor:
        return self._far(range(self.shape.queries))[None].masked_fill(~allowed, -torch.inf)


def _window(shape: Shape) -> int:
    """Keys that a window holds, the query's own among them."""
    return min(WINDOW, shape.keys // 4)


def none(shape: Shape) -> Structure:
    return Structure(shape=shape, mask=None, allowed=None)


def causal(shape: Shape) -> Structure:
    """A single query sees all keys, and whoever writes for SDPA then passes no mask."""
    if shape.queries == 1:
        return Structure(shape=shape, mask=regard.Causal(), allowed=None)
    square = shape.queries == shape.keys
    return Structure(shape=shape, mask=regard.Causal(), allowed=lambda i, j: j <= i, is_causal=square)


def window(shape: Shape) -> Structure:
    """Behind alone, as in Mistral and Gemma."""
    before = _window(shape) - 1
    return Structure(shape=shape, mask=regard.Window(before, 0), allowed=lambda i, j: (j <= i) & (j >= i - before))


def both_ways(shape: Shape) -> Structure:
    """As in ModernBERT."""
    reach = _window(shape) // 4
    return Structure(shape=shape, mask=regard.Window(reach, reach), allowed=lambda i, j: (i - j).abs() <= reach)


def with_sinks(shape: Shape) -> Structure:
    before = _window(shape) - 1
    return Structure(
        shape=shape,
        mask=regard.Window(before, 0) | regard.Sinks(SINKS),
        allowed=lambda i, j: (j <= i) & ((j >= i - before) | (j < SINKS)),
    )


def padding(shape: Shape) -> Structure:
    """Items of the batch have from a quarter to all of the keys."""
    lengths = torch.linspace(shape.keys // 4, shape.keys, shape.batch).long()
    keys = torch.arange(shape.keys) < lengths[:, None, None, None]
    return Structure(
        shape=shape,
        mask=regard.Padding(lengths),
        allowed=lambda i, j: (j < lengths[:, None, None, None]).expand(-1, -1, len(i), -1),
        over_keys=keys,
    )


def documents(shape: Shape, *, causal: bool = False) -> Structure:
    """Eight documents of growing lengths, packed."""
    lengths = torch.arange(1, 9) * (shape.keys // 36)
    lengths[-1] += shape.keys - lengths.sum()
    ids = torch.arange(8).repeat_interleave(lengths)
    mask: regard.Mask = regard.Documents(ids[shape.keys - shape.queries :], ids)
    if not causal:
        return Structure(shape=shape, mask=mask, allowed=lambda i, j: ids[i] == ids[j])
    return Structure(shape=shape, mask=mask & regard.Causal(), allowed=lambda i, j: (ids[i] == ids[j]) & (j <= i))


def prefix(shape: Shape) -> Structure:
    first = shape.keys // 4
    return Structure(
        shape=shape, mask=regard.Causal() | regard.Prefix(first), allowed=lambda i, j: (j <= i) | (j < first)
    )


def dilated(shape: Shape) -> Structure:
    """Every fourth key of four windows."""
    before = _window(shape) * STEP - 1
    return Structure(
        shape=shape,
        mask=regard.Dilated(STEP, before),
        allowed=lambda i, j: (j <= i) & (j >= i - before) & ((i - j) % STEP == 0),
    )


def neighbourhood(shape: Shape) -> Structure:
    """A square image; keys at most three rows and columns away."""
    side, reach = round(shape.keys**0.5), 3

    def near(i: Tensor, j: Tensor) -> Tensor:
        return ((i // side - j // side).abs() <= reach) & ((i % side - j % side).abs() <= reach)

    return Structure(shape=shape, mask=regard.Grid2D(side, side, reach), allowed=near)


def scattered(shape: Shape) -> Structure:
    """Half of all entries at random: nothing to skip."""
    drawn = torch.rand(shape.queries, shape.keys, generator=torch.Generator().manual_seed(0)) < 0.5
    drawn[:, 0] = True
    start = shape.keys - shape.queries
    return Structure(shape=shape, mask=regard.Dense(drawn), allowed=lambda i, j: drawn[i[:, 0] - start])


def alibi(shape: Shape) -> Structure:
    """Causal, a slope a head."""
    bias = regard.ALiBi.for_heads(shape.heads)
    return Structure(shape=shape, mask=regard.Causal(), allowed=lambda i, j: j <= i, bias=bias, slopes=bias.slopes)


KINDS: dict[str, Callable[[Shape], Structure]] = {
    "no mask": none,
    "causal": causal,
    "window": window,
    "window both ways": both_ways,
    "window and sinks": with_sinks,
    "padding": padding,
    "documents": documents,
    "documents, causal": partial(documents, causal=True),
    "prefix": prefix,
    "dilated": dilated,
    "neighbourhood": neighbourhood,
    "half at random": scattered,
    "ALiBi, causal": alibi,
}
