"""Deliberate faults in the kernels of strips, as tests/faults.py has them for the others: in what both rest on (which
strips there are), in the fast way of `streaming`, and in `blocks`."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest
import torch
from tests.faults import Patch, around, no_sink, within
from torch import Tensor

from regard.kernels import blocks, exact, layout, log_weights, streaming, tiled
from regard.kernels.log_weights import LogWeights
from regard.spec import Block, Mask, positional


def put(owner: object, name: str, value: object) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


# --- which strips there are


def one_key_less(original: Any, mask: Any, rows: range, keys: range, place: Any) -> Any:
    return original(mask, rows, range(keys.start, keys.stop - 1), place)


def first_item(original: Any, request: Any) -> Any:
    parts = original(request)
    return [replace(part, mask=parts[0].mask) for part in parts]


def any_all(parts: Any, first: int, last: int) -> Block:
    held = {answer for cols, answer in parts if cols.start < last and cols.stop > first}
    return Block.ALL if Block.ALL in held else Block.MIXED


def all_spans(original: Any, *args: Any) -> Any:
    return tuple((cols, Block.ALL) for cols, _ in original(*args))


def no_last_strip(monkeypatch: pytest.MonkeyPatch) -> None:
    original = layout._strips
    for name in ("_strips", "_kept"):
        monkeypatch.setattr(layout, name, lru_cache(lambda *args: original(*args)[:-1]))


LAYOUT: dict[str, Patch] = {
    "hull one short on the left": around(positional, "_keys", lambda f, a, b, place: f(a + 1, b, place)),
    "hull one short on the right": around(positional, "_keys", lambda f, a, b, place: f(a, b - 1, place)),
    "last key left out": around(layout, "spans", one_key_less),
    "mixed spans taken for all": around(layout, "spans", all_spans),
    "mixed spans taken for empty": around(
        layout, "spans", lambda f, *a: tuple(span for span in f(*a) if span[1] is Block.ALL)
    ),
    "last strip skipped": no_last_strip,
    "item 0's mask for all items": around(layout, "items", first_item),
    "a mask that is not relative taken for relative": put(Mask, "relative", property(lambda self: True)),
    "strips of a mask that may change kept": put(layout, "_strips", layout._kept),
}


# --- the fast way of streaming


def in_tile(change: Any) -> Patch:
    """`change(lane, chunk)` gives another lane and chunk for a tile."""

    def changed(original: Any, weights: Any, lane: Any, chunk: Any, rows: Any, cols: Any, answer: Any) -> Any:
        return original(weights, *change(lane, chunk), rows, cols, answer)

    return around(tiled, "_tile", changed)


def in_backward(change: Any) -> Patch:
    """`change(found, upstream)` gives other results and upstream gradients to go back from."""

    def changed(original: Any, request: Any, made: Any, value: Any, found: Any, upstream: Any, reach: float) -> Any:
        return original(request, made, value, *change(found, upstream), reach)

    return around(tiled, "backward", changed)


def gradients(change: Any) -> Patch:
    """`change(found, scale)` gives other gradients."""
    return around(tiled, "backward", lambda f, r, made, *a: change(f(r, made, *a), made.scores.scale))


def last_strip_alone(original: Any, weights: Any, strip: Any, *rest: Any) -> Any:
    return original(weights, strip, *rest) if strip.rows.stop == weights.request.place.query_len else None


def without_ones(original: Any, values: Tensor) -> Tensor:
    return original(values) * torch.tensor([1.0] * values.shape[-1] + [0.0], dtype=values.dtype)


def no_biases(original: Any, self: Any, *args: Any) -> Any:
    return original(replace(self, request=replace(self.request, biases=())), *args)


TILED: dict[str, Patch] = LAYOUT | {
    "mask ignored": around(LogWeights, "lay", lambda f, self, *a: f(self, *a[:-1], Block.ALL)),
    "columns that fill up left as they are": put(tiled, "LOW", 0.0),
    "neighbours of which one is all taken for all": put(layout, "_answer", any_all),
    "another key head's keys": in_tile(lambda lane, chunk: (replace(lane, key_head=0), chunk)),
    "another item's keys": in_tile(lambda lane, chunk: (replace(lane, batch=0), chunk)),
    "another head's mask": around(
        log_weights, "part", lambda f, shown, lane, chunk: f(shown, replace(lane, heads=lane.heads[::-1]), chunk)
    ),
    "last tile of a strip skipped": around(
        layout.Strip, "runs", lambda f, self, width: f(self, width)[: max(1, len(f(self, width)) - 1)]
    ),
    "bias dropped": around(LogWeights, "lay", no_biases),
    "exp for exp2": put(log_weights, "LOG2E", 1.0),
    "column of ones forgotten": around(tiled, "_with_ones", without_ones),
    "shift forgotten": around(tiled, "_shifted_strip", lambda f, *a: (f(*a)[0], None)),
    "no rescaling by the new maximum": within(tiled, "torch", exp2=torch.ones_like),
    "no running maximum": within(tiled, "torch", maximum=lambda a, b: b),
    "bound too generous": put(tiled, "BOUND", 1e9),
    "bound of values too generous": put(tiled, "VALUES", 1000.0),
    "biases of -3e38 taken for -inf": put(log_weights, "_far", lambda bias: True),
    "what is not finite taken for finite": within(streaming, "log_weights", largest=lambda *_: 1.0),
    "what is not tame taken for tame": put(log_weights, "tame", lambda *_: True),
    "the softmax's row term forgotten": in_backward(lambda found, up: ((0 * found[0], found[1]), up)),
    "gradient of the lse forgotten": in_backward(lambda found, up: (found, (up[0], 0 * up[1]))),
    "lse of the row before": in_backward(lambda found, up: ((found[0], found[1].roll(1, 2)), up)),
    "gradient of the query without the scale": gradients(lambda g, s: replace(g, query=g.query / s)),
    "gradient of the key without the scale": gradients(lambda g, s: replace(g, key=g.key / s)),
    "gradient of the value 1 % off": gradients(lambda g, s: replace(g, value=g.value * 1.01)),
    "gradient of the last strip alone": around(tiled, "_backward_strip", last_strip_alone),
    "sink ignored": around(streaming, "with_sink", no_sink),
}


# --- blocks


def flash(change: Any) -> Patch:
    """`change(operation, query, key, value, *rest, **more)` in place of torch's operation."""
    return around(exact, "FLASH", change)


def other_groups(original: Any, q: Tensor, k: Tensor, v: Tensor, *rest: Any, **more: Any) -> Any:
    times = q.shape[1] // k.shape[1]
    return original(q, k.repeat(1, times, 1, 1), v.repeat(1, times, 1, 1), *rest, **more)


def reversed_spans(original: Any, self: Any, sums: Tensor, found: Tensor) -> None:
    original(replace(self, cols=self.cols[::-1]), sums, found)


def with_row_term(original: Any, *args: Tensor) -> Any:
    query, key, value, output, grad = original(*args)
    return query, key, value, torch.cat((output[..., :-1], torch.ones_like(output[..., :1])), -1), grad


def half_of_the_queries(original: Any, request: Any, *rest: Any) -> Any:
    cut = original(request, *rest)
    return cut if cut.added is None else replace(cut, added=cut.added[..., :1, :].expand(cut.added.shape).contiguous())


BLOCKS: dict[str, Patch] = LAYOUT | {
    "mask and bias ignored": around(blocks, "_cut", lambda f, *a: replace(f(*a), added=None)),
    "bias dropped": around(blocks, "_added", lambda f, r, *a: f(replace(r, biases=()), *a)),
    "position off by one": around(
        blocks,
        "_added",
        lambda f, r, *a: f(replace(r, place=replace(r.place, query_start=r.place.query_start + 1)), *a),
    ),
    "the first query's mask for all of a strip": around(blocks, "_cut", half_of_the_queries),
    "the first run of keys alone": around(layout, "touching", lambda f, spans: f(spans)[:1]),
    "gradients put back in another order": around(blocks._Cut, "add_to", reversed_spans),
    "gradient of keys and values doubled": around(blocks._Cut, "add_to", lambda f, self, s, g: f(self, s, 2 * g)),
    "scale 1 % off": flash(lambda f, *a, scale, **m: f(*a, scale=scale * 1.01, **m)),
    "wrong heads share a key head": flash(other_groups),
    "sink ignored": around(blocks, "with_sink", no_sink),
    "gradient of the lse forgotten": around(blocks, "_with_column", lambda f, *a: f(*a[:-1], 0 * a[-1])),
    "gradient of the lse in the row term": around(blocks, "_with_column", with_row_term),
    "non-finite inputs left in": within(blocks, "guard", finite=lambda *_: True),
}

FAULTS_STRIPS = {"tiled": TILED, "blocks": BLOCKS}
