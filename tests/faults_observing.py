"""Deliberate faults in what watches attention, as tests/faults.py has them for the kernels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.faults import Patch, around, no_sink, within
from torch import Tensor

from regard.engine import observation, observe
from regard.kernels import exact, log_weights, row_sums, second_pass, tallies
from regard.kernels.log_weights import LOG2E, LogWeights
from regard.spec.mask import Block


def put(owner: object, name: str, value: object) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, value)


# --- tiles of log2 weights


def neighbours(original: Any, self: Any, tensor: Tensor, lane: Any, chunk: Any) -> Tensor:
    first = lane.heads[0]
    if lane.heads[-1] - first + 1 == len(lane.heads):
        lane = replace(lane, heads=tuple(range(first, lane.heads[-1] + 1)))
    return original(self, tensor, lane, chunk)


def first_queries(original: Any, self: Any, tensor: Tensor, lane: Any, chunk: Any) -> Tensor:
    picked = None if chunk.picked is None else torch.arange(chunk.count)
    return original(self, tensor, lane, replace(chunk, picked=picked))


def no_mask(original: Any, *args: Any) -> Any:
    return ((cols, Block.ALL) for cols, _ in original(*args))


def coarse(original: Any, left: Tensor, right: Tensor) -> Tensor:
    return (left.bfloat16() @ right.bfloat16().mT).to(left.dtype)


def no_biases(original: Any, self: Any, *args: Any) -> Any:
    return original(replace(self, request=replace(self.request, biases=())), *args)


LOG_WEIGHTS: dict[str, Patch] = {
    "other heads of the key head": around(LogWeights, "_picked", neighbours),
    "the first queries for those picked": around(LogWeights, "_picked", first_queries),
    "mask ignored": around(LogWeights, "spans", no_mask),
    "mixed runs taken for empty": around(
        LogWeights, "spans", lambda f, *a: [run for run in f(*a) if run[1] is Block.ALL]
    ),
    "last run skipped": around(LogWeights, "spans", lambda f, *a: list(f(*a))[:-1]),
    "last chunk skipped": around(log_weights, "chunks", lambda f, *a: f(*a)[:-1]),
    "the first item's mask for all": around(
        log_weights, "part", lambda f, shown, lane, chunk: f(shown, replace(lane, batch=0), chunk)
    ),
    "the first heads' bias for all": around(
        log_weights, "part", lambda f, shown, lane, chunk: f(shown, replace(lane, heads=lane.slots), chunk)
    ),
    "bias dropped": around(LogWeights, "lay", no_biases),
    "the first key head for all": around(
        LogWeights, "tile", lambda f, self, lane, *a: f(self, replace(lane, key_head=0), *a)
    ),
    "exp for exp2": put(log_weights, "LOG2E", 1.0),
    "lse not taken away": around(LogWeights, "_floor", lambda f, *a: torch.zeros_like(f(*a))),
    "empty rows not set apart": around(
        LogWeights, "_floor", lambda f, self, *a: self._picked(self.lse[a[0].batch][..., None], *a) * LOG2E
    ),
    "no careful way": put(log_weights, "tame", lambda *_: True),
    "the careful way for what is not finite alone": put(
        log_weights, "tame", lambda request, reach: math.isfinite(reach)
    ),
    "products in bfloat16": around(log_weights, "product", coarse),
}

# --- lse

ROW_SUMS: dict[str, Patch] = {
    "no rescaling by the new maximum": within(row_sums, "torch", exp2=torch.ones_like),
    "no running maximum": within(row_sums, "torch", maximum=lambda a, b: b),
    "sink left out": around(row_sums, "with_sink", no_sink),
    "what is forbidden counts": put(row_sums, "LOW", torch.inf),
    "lse in log2": within(row_sums, "math", log=lambda x: 1.0),
}

# --- tallies


def from_the_first(original: Any, self: Any, like: Tensor, batch: int, heads: int, positions: Tensor) -> None:
    original(self, like, batch, heads, positions - positions[:1].sum())


def forget(original: Any, self: Any, piece: Any) -> None:
    self.weights[piece.lane.batch, list(piece.lane.slots), piece.chunk.part] = 0
    original(self, piece)


def within_a_group(original: Any, self: Any, weights: Tensor) -> tuple[Tensor, Tensor]:
    found, at = original(self, weights)
    return found, at % self.WIDE


def one_slot(original: Any, self: Any, piece: Any) -> None:
    original(self, replace(piece, lane=replace(piece.lane, slots=piece.lane.slots[:1] * len(piece.lane.slots))))


TALLIES: dict[str, Patch] = {
    "entropy in bits": put(tallies, "LOG2E", 1.0),
    "distance from the first query": around(tallies.Distance, "__init__", from_the_first),
    "distance signed": within(tallies, "torch", arange=lambda a, b, **m: torch.arange(a + 1, b + 1, **m)),
    "far keys one further": around(tallies, "_linear", lambda f, w, inner, outer: f(w, inner, outer + 1)),
    "heads of a lane on one heap": around(tallies.Received, "add", one_slot),
    "top of the last tile alone": around(tallies.Top, "add", forget),
    "top named within its group": around(tallies.Top, "_best", within_a_group),
    "keys without weight named": within(tallies, "torch", where=lambda c, a, b: a),
    "bins shut at the wrong end": within(
        tallies, "torch", bucketize=lambda v, edges, right: torch.bucketize(v, edges, right=not right)
    ),
    "a bin squared tile by tile": around(tallies.Flow, "_shares", lambda f, self, p: torch.zeros_like(f(self, p))),
    "weights 1 % off": within(second_pass, "torch", exp2=lambda x, out: torch.exp2(x, out=out).mul_(0.99)),
}

# --- samples


def not_scaled(original: Any, total: Tensor, squares: Tensor, drawn: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    return total, original(total, squares, drawn, whole)[1]


def as_if_endless(original: Any, total: Tensor, squares: Tensor, drawn: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
    found, error = original(total, squares, drawn, whole)
    return found, error / (1 - drawn / whole).clamp_min(1e-9).sqrt()


def endless_mean(original: Any, self: Any, figure: str) -> tuple[Tensor, Tensor]:
    mean, error = original(self, figure)
    return mean, error / max(1e-9, 1 - len(self.queries) / self.population) ** 0.5


SAMPLES: dict[str, Patch] = {
    "sums over the sample left as they are": around(observe, "_scaled", not_scaled),
    "no correction for a finite population": around(observe, "_scaled", as_if_endless),
    "no correction in the mean's error": around(observation.Observation, "mean", endless_mean),
    "always the first queries": around(observation.Wanted, "drawn", lambda f, self, q: q[: len(f(self, q))]),
}

# --- torch's own lse


def flash(change: Any) -> Patch:
    return around(exact, "FLASH", change)


EXACT: dict[str, Patch] = {
    "the default scale": flash(lambda f, *a, scale, **m: f(*a, scale=None, **m)),
    "causal left out": flash(lambda f, q, k, v, drop, causal, **m: f(q, k, v, drop, False, **m)),
    "grouped heads repeated in the wrong order": flash(
        lambda f, q, k, v, *a, **m: f(q, *(t.repeat(1, q.shape[1] // t.shape[1], 1, 1) for t in (k, v)), *a, **m)
    ),
    "the lse of rounded queries": put(exact, "_flash_runs", lambda request: True),
    "the lse a little off": around(
        exact, "with_lse", lambda f, r: (lambda o, x: (o, x if x is None else x + 1e-4))(*f(r))
    ),
    "the output of another kernel": around(exact, "with_lse", lambda f, r: (f(r)[0] * (1 + 1e-6), f(r)[1])),
}

FAULTS = {
    "tiles": LOG_WEIGHTS,
    "lse": ROW_SUMS,
    "tallies": TALLIES,
    "samples": SAMPLES,
    "exact": EXACT,
}


def all_faults() -> list[Any]:
    return [pytest.param(fault, id=f"{part}: {name}") for part in FAULTS for name, fault in FAULTS[part].items()]
