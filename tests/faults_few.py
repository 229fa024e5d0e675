"""Deliberate faults in the kernels of `table_few`, as tests/faults.py has them for the others."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from tests.faults import Patch, around, no_sink, within
from torch import Tensor

from regard.kernels import dilated, few, few_blocks, neighbourhood, online
from regard.spec import Causal, Window
from regard.spec.curve import Curve

# --- few queries


def blocks(**names: Any) -> Patch:
    """Let the products of a call see other values in their own fields."""
    return around(
        few_blocks.Blocks, "of", lambda f, asked: replace(f(asked), **{n: c(f(asked)) for n, c in names.items()})
    )


def heads_apart(original: Any, tile: Tensor, shared: int) -> Tensor:
    """Query heads h, h + kv_heads, ... share a key head: the other way of counting."""
    order = torch.arange(tile.shape[1]).view(shared, -1).mT.flatten()
    return original(tile[:, order], shared)


FEW: dict[str, Patch] = {
    "scale 1 % off": blocks(rows=lambda held: held.rows * 1.01),
    "wrong heads share a key head": within(
        few_blocks, "online", grouped=lambda t, n: heads_apart(online.grouped, t, n)
    ),
    "curve left out": lambda m: m.setattr(Curve, "apply_", lambda self, x: x),
    "mask left out": around(few, "_pieces", lambda f, *a: ((cols, False) for cols, _ in f(*a))),
    "mixed runs taken for empty": around(few, "_pieces", lambda f, *a: (piece for piece in f(*a) if not piece[1])),
    "last run skipped": around(few, "_pieces", lambda f, *a: iter(list(f(*a))[:-1])),
    "last run skipped in the values": around(few, "_runs", lambda f, t, p: [*f(t, p)[:-1], 0 * f(t, p)[-1]]),
    "position off by one": around(
        few,
        "_laid_over",
        lambda f, r, *a: f(replace(r, place=replace(r.place, query_start=r.place.query_start + 1)), *a),
    ),
    "bias dropped": around(few, "_laid_over", lambda f, r, *a: f(replace(r, biases=()), *a)),
    "bias not in units of log 2": lambda m: m.setattr(few, "LOG2E", 1.0),
    "no rescaling by the new maximum": within(few, "torch", exp2=torch.ones_like),
    "sink ignored": around(few, "with_sink", no_sink),
    "parts in another order": around(few_blocks, "_by_part", lambda f, w, n: f(w, n).flip(0) if n > 1 else f(w, n)),
    "parts of scores not put in order": around(
        few_blocks, "_joined", lambda f, s, n: s.view(s.shape[0] // n, s.shape[1], -1) if n > 1 else f(s, n)
    ),
    "values of the first run for every run": around(
        few_blocks.Blocks, "context", lambda f, self, w, cols: f(self, w, range(len(cols)))
    ),
    "non-finite numbers taken for finite": within(few, "torch", isfinite=torch.ones_like),
}

# --- dilated


def shifted(original: Any, asked: Any) -> Any:
    """Every class one position later."""
    return [
        (replace(part, place=replace(part.place, query_start=part.place.query_start + 1)), rows)
        for part, rows in original(asked)
    ]


def wider(original: Any, asked: Any) -> Any:
    step, window = original(asked)
    return step, Window(window.before + 1, window.after)


DILATED: dict[str, Patch] = {
    "classes one position off": around(dilated, "classes", shifted),
    "last class left out": around(dilated, "classes", lambda f, asked: f(asked)[:-1]),
    "reach rounded up": around(dilated, "window_of", wider),
    "causal forgotten": around(
        dilated, "_parts", lambda f, mask: [part for part in f(mask) if not isinstance(part, Causal)]
    ),
    "a window forgotten": around(
        dilated, "_parts", lambda f, mask: [part for part in f(mask) if not isinstance(part, Window)]
    ),
    "classes side by side, not interleaved": around(
        dilated, "_together", lambda f, parts, length: torch.cat(parts, 2)[:, :, :length]
    ),
    "neighbours' keys": around(
        dilated, "_apart", lambda f, t, step: f(t, step) if t.shape[1] > 2 else f(t, step)[::-1]
    ),
    "gradients of the first class alone": around(
        dilated, "_apart", lambda f, t, step: [p if n == 0 else p.detach() for n, p in enumerate(f(t, step))]
    ),
}

# --- neighbourhood


def doubled(original: Any, ctx: Any, grad: Tensor) -> Any:
    found, *rest = original(ctx, grad)
    return (2 * found, *rest)


NEIGHBOURHOOD: dict[str, Patch] = {
    "reach one more": around(neighbourhood, "_near", lambda f, down, across, reach: f(down, across, reach + 1)),
    "mask left out": around(neighbourhood, "_near", lambda f, *a: torch.ones_like(f(*a))),
    "rows for columns": around(neighbourhood, "_near", lambda f, down, across, reach: f(across, down, reach)),
    "key squares not moved inwards": around(
        neighbourhood,
        "_side",
        lambda f, *a: replace(f(*a), keys=tuple(min(q, a[2] - f(*a).window) for q in f(*a).queries)),
    ),
    "moved tiles taken twice": around(neighbourhood.Side, "once", lambda f, self: torch.arange(self.length)),
    "last band of tiles lost": around(
        neighbourhood, "_band", lambda f, r, k, down, across: f(r, k, down, across) * (down.queries[0] == 0)
    ),
    "masks of another item": around(neighbourhood, "_near", lambda f, *a: f(*a).roll(1, 0)),
    "gradient of the squares doubled": lambda m: m.setattr(
        neighbourhood._Squares,
        "backward",
        staticmethod(lambda ctx, grad, f=neighbourhood._Squares.backward: doubled(f, ctx, grad)),
    ),
}

FAULTS_FEW = {"few": FEW, "dilated": DILATED, "neighbourhood": NEIGHBOURHOOD}
